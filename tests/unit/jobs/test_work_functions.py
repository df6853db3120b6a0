"""Work functions: the outcome where nothing can be written, and how long work waits."""

from __future__ import annotations

from datetime import timedelta

from arpent.domain.errors import StorageDenied, StorageFault
from arpent.domain.job import REASON_LETTERS
from arpent.domain.ports.jobs import Lease
from arpent.jobs.policy import DAY, Policy
from arpent.jobs.work_functions import retry_while_away, unwritten
from tests.support.jobs import START, make_partition, make_request


def test_rows_of_files_that_cannot_be_written_count_together() -> None:
    """Whatever key the store's refusal names, and however long it is; the findings have all of it."""
    request = make_request()
    outcomes = [
        unwritten(
            Lease(job_id="job", token="t", partition=make_partition(0, range(3)), attempt=1, request=request),
            StorageDenied(f"Cannot write s3://results/{key}: {'no ' * 999}"),
        )
        for key in ("1.json", "2.json")
    ]
    first, second = (outcome.unsettled.reasons for outcome in outcomes)
    assert first == second
    ((reason, rows),) = first
    assert len(reason) == REASON_LETTERS
    assert rows == outcomes[0].unsettled.failed == 3 * len(request.intervals)
    assert all("s3://results/1.json" in finding.message for finding in outcomes[0].findings)


def test_waiting_ends_though_the_clock_was_set_back() -> None:
    """It would last for as long as the clock was ahead, and its budget more."""
    policy, ahead = Policy(absence_seconds=10), START + timedelta(seconds=DAY)
    lease = Lease(job_id="job", token="t", partition=make_partition(0, range(3)), attempt=1, waiting_since=ahead)
    retry_at = retry_while_away(lease, StorageFault("there is no bucket"), START, policy)
    assert retry_at is not None
    assert START < retry_at <= START + timedelta(seconds=10)
