"""Texts of numbers, and how they are joined."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakValueDictionary

from arpent.wire.result.text import WOVEN, TextColumn, join


class _Column(list[bytes]):
    """A column of which is known how long it lives."""


def test_few_columns_are_in_memory_at_once() -> None:
    """Texts of single numbers take several times as much memory as what they are joined to."""
    alive: WeakValueDictionary[int, _Column] = WeakValueDictionary()
    most = 0

    def columns() -> Iterator[TextColumn]:
        nonlocal most
        for number in range(5 * WOVEN + 3):
            column = _Column([b"%d " % number, b"%d;" % number])
            alive[number] = column
            most = max(most, len(alive))
            yield column

    assert join(columns(), 2) == [b"".join(b"%d%b" % (n, end) for n in range(5 * WOVEN + 3)) for end in (b" ", b";")]
    assert most <= 2 * WOVEN


def test_no_columns_are_empty_texts() -> None:
    assert join([], 2) == [b"", b""]
