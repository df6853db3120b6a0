"""The state machine against the table of sentinelhub.md 1.4."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from arpent.domain.errors import ActionNotAllowed
from arpent.domain.job import Progress, Status, StopReason, UserAction
from arpent.jobs import state_machine as machine
from arpent.jobs.policy import Policy
from arpent.jobs.state_diagram import markdown
from arpent.jobs.state_machine import TRANSITIONS, Event, advance, completion, due, trouble
from tests.support.jobs import START, make_job

POLICY = Policy()
REFUSED = "refused"
ANALYSED = Progress(features=1, partitions=1)

# sentinelhub.md 1.4, with the decisions where it has a question mark; rows: status, columns: ANALYSE, START, STOP.
ACTIONS = {
    Status.CREATED: (Status.ANALYSING, Status.ANALYSING, REFUSED),
    Status.ANALYSING: (REFUSED, Status.ANALYSING, Status.ANALYSING),
    Status.ANALYSIS_DONE: (REFUSED, Status.ANALYSIS_DONE, Status.STOPPED),
    Status.PROCESSING: (REFUSED, REFUSED, Status.STOPPED),
    Status.STOPPED: (REFUSED, Status.ANALYSIS_DONE, REFUSED),
    Status.DONE: (REFUSED, REFUSED, REFUSED),
    Status.FAILED: (REFUSED, Status.ANALYSING, REFUSED),
}
CASES = [
    (status, event, expected)
    for status, row in ACTIONS.items()
    for event, expected in zip((Event.ANALYSE, Event.START, Event.STOP), row, strict=True)
]


@pytest.mark.parametrize(("status", "event", "expected"), CASES)
def test_actions(status: Status, event: Event, expected: Status | str) -> None:
    job = make_job(status=status, user_action=UserAction.ANALYSE, progress=ANALYSED)
    if expected == REFUSED:
        message = f"Illegal to change userAction from ANALYSE to {event} with task status {status}"
        with pytest.raises(ActionNotAllowed, match=f"^{message}$"):
            advance(job, event, START, POLICY)
        return
    after = advance(job, event, START, POLICY)
    assert after.status == expected
    assert after.user_action == event.value
    assert after.user_action_updated == after.last_updated == START


def test_a_start_goes_all_the_way() -> None:
    job = advance(make_job(), Event.START, START, POLICY)
    for event, status in (
        (Event.ANALYSED, Status.ANALYSIS_DONE),
        (Event.BEGUN, Status.PROCESSING),
        (Event.FINISHED, Status.DONE),
    ):
        job = advance(job, event, START, POLICY)
        assert (job.status, job.user_action) == (status, UserAction.START)


def test_an_analysis_alone_waits_for_its_user() -> None:
    job = advance(advance(make_job(), Event.ANALYSE, START, POLICY), Event.ANALYSED, START, POLICY)
    assert due(job, POLICY) is None
    with pytest.raises(ActionNotAllowed):
        advance(job, Event.BEGUN, START, POLICY)
    assert due(advance(job, Event.START, START, POLICY), POLICY) is Event.BEGUN


def test_a_stop_during_analysis_waits_for_its_end() -> None:
    job = advance(make_job(), Event.START, START, POLICY)
    job = advance(advance(job, Event.STOP, START, POLICY), Event.ANALYSED, START, POLICY)
    assert (job.status, job.stop_reason) == (Status.STOPPED, StopReason.USER_ACTION)


def test_an_analysis_that_a_stop_ended_is_begun_anew() -> None:
    job = advance(make_job(), Event.START, START, POLICY)
    with pytest.raises(ActionNotAllowed):
        advance(job, Event.ANALYSIS_STOPPED, START, POLICY)
    job = advance(advance(job, Event.STOP, START, POLICY), Event.ANALYSIS_STOPPED, START, POLICY)
    assert (job.status, job.stop_reason) == (Status.STOPPED, StopReason.USER_ACTION)
    assert advance(job, Event.START, START, POLICY).status is Status.ANALYSING


def test_a_failed_analysis_says_why() -> None:
    job = make_job(status=Status.ANALYSING)
    after = advance(job, Event.ANALYSIS_FAILED, START, POLICY, error="B4 is no band")
    assert (after.status, after.error) == (Status.FAILED, "B4 is no band")


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (Event.STOP, StopReason.USER_ACTION),
        (Event.BROKEN, StopReason.UNHEALTHY),
        (Event.EXHAUSTED, StopReason.OUT_OF_PU),
    ],
)
def test_a_stop_has_a_reason_and_a_start_clears_it(event: Event, reason: StopReason) -> None:
    job = advance(make_job(status=Status.PROCESSING, progress=ANALYSED), event, START, POLICY)
    assert (job.status, job.stop_reason) == (Status.STOPPED, reason)
    again = advance(job, Event.START, START, POLICY)
    assert (again.status, again.stop_reason) == (Status.ANALYSIS_DONE, None)
    assert again.retry == (reason is StopReason.UNHEALTHY)


@pytest.mark.parametrize("changes", [{"done": 8, "failed": 1}, {"done": 9, "incomplete": 1}])
def test_done_starts_again_only_for_what_failed(changes: dict[str, int]) -> None:
    job = make_job(status=Status.DONE, progress=Progress(features=9, partitions=1, **changes))
    again = advance(job, Event.START, START, POLICY)
    assert (again.status, again.retry, again.user_action) == (Status.ANALYSIS_DONE, True, UserAction.START)
    stopped = advance(again, Event.STOP, START, POLICY)
    assert stopped.retry, "a stop in between forgets nothing"
    assert not advance(again, Event.BEGUN, START, POLICY).retry


class TestPauses:
    policy = Policy(restart_pause_minutes=30, restart_pause_out_of_pu_minutes=60)

    @pytest.mark.parametrize(("event", "minutes"), [(Event.STOP, 30), (Event.EXHAUSTED, 60), (Event.BROKEN, 0)])
    def test_a_stopped_job_rests(self, event: Event, minutes: int) -> None:
        job = advance(make_job(status=Status.PROCESSING, progress=ANALYSED), event, START, self.policy)
        if minutes:
            early = START + timedelta(minutes=minutes - 12, seconds=1)
            with pytest.raises(ActionNotAllowed, match=r"Illegal .* status STOPPED: .* in 12 minutes$"):
                advance(job, Event.START, early, self.policy)
        late = START + timedelta(minutes=minutes)
        assert advance(job, Event.START, late, self.policy).status is Status.ANALYSIS_DONE

    def test_it_rests_no_longer_because_the_clock_was_set_back(self) -> None:
        job = advance(make_job(status=Status.PROCESSING, progress=ANALYSED), Event.STOP, START, self.policy)
        set_back = START - timedelta(days=1)
        assert advance(job, Event.START, set_back, self.policy).status is Status.ANALYSIS_DONE

    def test_none_by_default(self) -> None:
        job = advance(make_job(status=Status.PROCESSING, progress=ANALYSED), Event.STOP, START, POLICY)
        assert advance(job, Event.START, START, POLICY).status is Status.ANALYSIS_DONE


class TestDue:
    def test_without_open_work_it_is_finished(self) -> None:
        job = make_job(status=Status.PROCESSING, progress=Progress(features=5, failed=5, partitions=1))
        assert due(job, Policy(unhealthy_least=1)) is Event.FINISHED
        assert due(replace(job, status=Status.STOPPED), POLICY) is None

    @pytest.mark.parametrize(
        ("done", "failed", "expected"),
        [(0, 9, None), (0, 10, Event.BROKEN), (10, 10, Event.BROKEN), (11, 10, None), (99, 11, None)],
    )
    def test_unhealthy(self, done: int, failed: int, expected: Event | None) -> None:
        progress = Progress(features=1000, done=done, failed=failed, partitions=9, open=5)
        assert trouble(progress, Policy(unhealthy_least=10, unhealthy_share=0.5)) is expected

    @pytest.mark.parametrize(("budget", "expected"), [(None, None), (1.5, Event.EXHAUSTED), (1.6, None)])
    def test_budget(self, budget: float | None, expected: Event | None) -> None:
        progress = Progress(features=9, done=1, partitions=9, open=8, processing_units=1.5)
        assert trouble(progress, Policy(processing_unit_budget=budget)) is expected


class TestCompletion:
    whole = Progress(features=3, done=2, failed=1, partitions=1)

    def test_is_whole_only_when_done(self) -> None:
        assert completion(make_job(status=Status.DONE, progress=self.whole), POLICY) == 100
        assert completion(make_job(status=Status.DONE), POLICY) == 100
        for status in (Status.PROCESSING, Status.STOPPED, Status.ANALYSIS_DONE):
            assert 99 < completion(make_job(status=status, progress=self.whole), POLICY) < 100

    def test_of_failed_jobs_is_a_setting(self) -> None:
        job = make_job(status=Status.FAILED, progress=Progress(features=4, done=1, partitions=2, open=1))
        assert completion(job, POLICY) == 100
        assert completion(job, Policy(failed_reports_full=False)) == 25

    def test_begins_with_nothing(self) -> None:
        assert completion(make_job(), POLICY) == 0


def test_every_status_has_a_way_on() -> None:
    assert {status for status, _ in TRANSITIONS} == set(Status)


def test_a_failed_analysis_is_made_again() -> None:
    failed = advance(make_job(status=Status.ANALYSING), Event.ANALYSIS_FAILED, START, POLICY, error="no bucket")
    again = advance(failed, Event.START, START, POLICY)
    assert (again.status, again.user_action, again.error) == (Status.ANALYSING, UserAction.START, None)


def test_a_failed_environment_says_why_and_the_rest_is_taken_up() -> None:
    job = make_job(status=Status.PROCESSING, begun=START, progress=Progress(features=9, done=3, partitions=3, open=2))
    failed = advance(job, Event.ENVIRONMENT_FAILED, START, POLICY, error="The disk is full")
    assert (failed.status, failed.error, failed.stop_reason) == (Status.FAILED, "The disk is full", None)
    again = advance(failed, Event.START, START, POLICY)
    assert (again.status, again.retry, again.error) == (Status.ANALYSIS_DONE, True, None)


def test_without_its_keys_nothing_starts_again() -> None:
    job = make_job(status=Status.FAILED, body='{"output": {"s3": {"secretAccessKey": "***"}}}')
    with pytest.raises(ActionNotAllowed, match=r"^Illegal .* status FAILED: the keys .* deleted; create it again$"):
        advance(job, Event.START, START, POLICY)


def test_the_theory_names_every_status_and_event() -> None:
    theory = machine.__doc__ or ""
    assert [status for status in Status if f"| {status} |" not in theory] == []
    assert [event for event in Event if event not in theory] == []


def test_the_page_of_the_states_is_current(repository: Path) -> None:
    page = repository / "docs" / "states.md"
    assert page.read_text() == markdown(), "run: python -m arpent.jobs.state_diagram > docs/states.md"
