"""State diagram: generates docs/states.md from TRANSITIONS: `python -m arpent.jobs.state_diagram > docs/states.md`."""

from __future__ import annotations

import sys

from arpent.domain.job import Status
from arpent.jobs.state_machine import ACTIONS, TRANSITIONS, Event

HEAD = """# The life of a request

Generated from `TRANSITIONS` in `src/arpent/jobs/state_machine.py` by
`python -m arpent.jobs.state_diagram > docs/states.md`; edit that table, not this page. Bold events
are actions of the user, the others come from the runner. An event that is not listed is refused with status 400,
and the request stays as it is.
"""

NOTES = """
* START from CREATED runs the analysis and then the processing. START during the analysis does the same.
* STOP during the analysis ends it, whatever it is doing. After STOP during processing, running partitions finish;
  queued ones remain open.
* START of a stopped request continues with what is left. It is refused for `restart_pause_minutes` after the STOP, as
  in the real service.
* START of a request that is DONE with failed features, or that stopped as UNHEALTHY, processes only those again
  (an extension; the real service refuses the former), together with features that lack intervals for a temporary
  reason ([failures.md](failures.md)). `completionPercentage` then counts what is left.
* START of a FAILED request continues it: the analysis, or, if that had succeeded, the open partitions and what failed
  (an extension; the real service refuses it). The keys sent with a request are deleted some time after it failed
  (`failed_keys_hours`); then START is refused, too.
* An analysis for which a catalogue, a bucket or a server is unavailable waits and tries again (`outage_seconds`;
  `absence_seconds` where it does not exist, refuses access, or its name does not resolve), and so does a partition for
  which a catalogue or a bucket is unavailable; `waiting` in the task object says for which. Time while it is
  stopped, or while no runner runs, does not count. STOP ends the waiting of an analysis: STOPPED.
* ENVIRONMENT_FAILED: workers cannot start, or results cannot be written. No feature counts as failed.
* `completionPercentage` is 100 when the request is DONE and never before. It never falls, except by a START that
  processes failed features again. FAILED reports 100 too (`failed_reports_full`).
"""


def markdown() -> str:
    """The text of the page docs/states.md."""
    return "\n".join((HEAD, *_mermaid(), "", *_table(), NOTES))


def _mermaid() -> list[str]:
    arrows = [
        f"    {status} --> {each.to}: {event}"
        for (status, event), transitions in TRANSITIONS.items()
        for each in transitions
    ]
    return ["```mermaid", "stateDiagram-v2", "    [*] --> CREATED", *dict.fromkeys(arrows), "```"]


def _table() -> list[str]:
    rows = [
        f"| {status} | {_event(event)} | {each.when.text if each.when else ''} | {each.to} | "
        f"{'failed features are processed again' if each.retry else ''} |"
        for (status, event), transitions in TRANSITIONS.items()
        for each in transitions
    ]
    final = [f"`{status}`" for status in Status if all(status is not key for key, _ in TRANSITIONS)]
    head = ["| status | event | if | next status | and |", "|---|---|---|---|---|"]
    return [*head, *rows, *(["", f"Final: {', '.join(final)}."] if final else [])]


def _event(event: Event) -> str:
    return f"**{event}**" if event in ACTIONS else str(event)


if __name__ == "__main__":
    sys.stdout.write(markdown())
