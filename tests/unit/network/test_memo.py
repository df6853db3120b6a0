"""Memo: each value is made once, and a failure is not kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event as Flag

import pytest

from arpent.network.memo import Memo, RecentKeys


def test_threads_that_ask_at_once_share_one_value() -> None:
    memo: Memo[str, int] = Memo(most=4)
    begun, over, numbers = Flag(), Flag(), count()

    def make() -> int:
        begun.set()
        over.wait(10)
        return next(numbers)

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(memo.get, "a", make)
        begun.wait(10)
        others = [pool.submit(memo.get, "a", make) for _ in range(3)]
        over.set()
        assert [one.result() for one in (first, *others)] == [0] * 4


def test_a_failure_is_not_kept() -> None:
    memo: Memo[str, int] = Memo(most=4)
    with pytest.raises(ZeroDivisionError):
        memo.get("a", lambda: 1 // 0)
    assert memo.get("a", lambda: 7) == 7


def test_a_failure_that_nobody_saw_is_not_kept_for_who_begins_later() -> None:
    memo: Memo[str, int] = Memo(most=4)
    with ThreadPoolExecutor(1) as pool:
        failed = pool.submit(lambda: 1 // 0)
        assert isinstance(failed.exception(), ZeroDivisionError)
        memo.begin("a", lambda: failed)
        memo.begin("a", lambda: pool.submit(lambda: 7))
        memo.begin("a", lambda: pool.submit(lambda: 8))
        assert memo.get("a", lambda: 9) == 7


def test_values_used_last_are_kept() -> None:
    memo: Memo[str, int] = Memo(most=2)
    for key in ("a", "b", "a", "c"):
        memo.get(key, lambda: 1)
    assert [memo.get(key, lambda: 2) for key in ("a", "c", "b")] == [1, 1, 2]


def test_old_values_are_made_again() -> None:
    memo: Memo[str, int] = Memo(most=2, seconds=0.0)
    assert [memo.get("a", lambda value=value: value) for value in (1, 2)] == [1, 2]  # type: ignore[misc]


def test_keys_added_last_are_kept_for_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("arpent.network.memo.time.monotonic", lambda: now)
    recent: RecentKeys[str] = RecentKeys(most=2, seconds=10.0)
    for key in ("a", "b", "a", "c"):
        recent.add(key)
    assert [key in recent for key in "abc"] == [True, False, True]
    now = 10.0
    assert "a" not in recent
