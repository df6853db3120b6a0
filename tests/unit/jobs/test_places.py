"""Places of a runner: where one client has all of them, there is one more for the others."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from arpent.domain.ports.jobs import Lease
from arpent.jobs.in_flight import ANALYSES_AT_ONCE, next_lease
from tests.support.jobs import Clock, make_partition

SLOTS = 2
PARTITION = make_partition(0, range(1, 2))


class Work:
    """Endless work of the clients that it is given."""

    def __init__(self, analyses: Collection[str], partitions: Collection[str]) -> None:
        self._analyses, self._partitions = analyses, partitions
        self.claims = 0

    def claim(
        self,
        now: datetime,
        seconds: float,
        *,
        analyses: bool = True,
        partitions: bool = True,
        but: Collection[str] = (),
    ) -> Lease | None:
        self.claims += 1
        for wanted, owners, partition in (
            (analyses, self._analyses, None),
            (partitions, self._partitions, PARTITION),
        ):
            for owner in owners if wanted else ():
                if owner not in but:
                    return Lease(job_id=owner, token="t", partition=partition, attempt=1, owner=owner)
        return None


def places(
    analyses: Collection[str], partitions: Collection[str], processed: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """Whose analyses and partitions are under way in the end; `processed`: whose partitions were at the beginning."""
    work: Any = Work(analyses, partitions)
    held_before = [Lease(job_id=each, token="t", partition=PARTITION, attempt=1, owner=each) for each in processed]
    in_flight: list[Any] = [SimpleNamespace(lease=lease) for lease in held_before]
    while (lease := next_lease(partial(work.claim, Clock()(), 60.0), in_flight, SLOTS)) is not None:
        in_flight.append(SimpleNamespace(lease=lease))
        assert len(in_flight) < 20
    held = [each.lease for each in in_flight]
    return [each.owner for each in held if each.partition is None], [each.owner for each in held if each.partition]


@pytest.mark.parametrize("client", ["a", "b"])
def test_one_client_has_the_usual_places(client: str) -> None:
    assert places([client], [client]) == ([client] * ANALYSES_AT_ONCE, [client] * SLOTS)


def test_there_is_one_more_for_others() -> None:
    assert places(["a", "b"], ["a", "b"]) == (["a"] * ANALYSES_AT_ONCE + ["b"], ["a"] * SLOTS + ["b"])


def test_each_kind_by_itself() -> None:
    assert places(["a", "b"], ["a"]) == (["a"] * ANALYSES_AT_ONCE + ["b"], ["a"] * SLOTS)
    assert places(["a"], ["a", "b"]) == (["a"] * ANALYSES_AT_ONCE, ["a"] * SLOTS + ["b"])


def test_a_client_has_one_analysis_while_partitions_take_all_processors() -> None:
    """Its others would take the processor from the partitions of others."""
    busy = ["b", "c"]
    assert places(["a"], [], busy) == (["a"], busy)
    assert places(["a", "d"], [], busy) == (["a", "d"], busy)
    assert places(["a"], [], busy[:1]) == (["a"] * ANALYSES_AT_ONCE, busy[:1])


@pytest.mark.parametrize(
    ("analysed", "processed"), [([], []), (["a"], ["a"]), (["a"], ["a"] * SLOTS), (["a"] * ANALYSES_AT_ONCE, ["a"])]
)
def test_a_claim_that_finds_nothing_is_not_repeated(analysed: list[str], processed: list[str]) -> None:
    """Each is a query, many times a second, and a runner with work in hand mostly finds none."""
    work: Any = Work([], [])
    held = [(owner, None) for owner in analysed] + [(owner, PARTITION) for owner in processed]
    leases = [Lease(job_id=owner, token="t", partition=what, attempt=1, owner=owner) for owner, what in held]
    in_flight: list[Any] = [SimpleNamespace(lease=lease) for lease in leases]
    assert next_lease(partial(work.claim, Clock()(), 60.0), in_flight, SLOTS) is None
    kinds_that_are_full = (len(analysed) == ANALYSES_AT_ONCE) + (len(processed) == SLOTS)
    assert work.claims == 1 + kinds_that_are_full
