"""Work functions: the outcome where nothing can be written."""

from __future__ import annotations

from arpent.domain.errors import StorageDenied
from arpent.domain.job import REASON_LETTERS
from arpent.domain.ports.jobs import Lease
from arpent.jobs.work_functions import unwritten
from tests.support.jobs import make_partition, make_request


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
