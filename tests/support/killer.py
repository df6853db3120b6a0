"""A worker's work that kills the worker whenever it meets certain features, and a runner here that gives it out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine

from arpent import worker
from arpent.domain.job import ENDED, Job, UserAction
from arpent.domain.partition import Outcome
from arpent.domain.ports.execution import Executor
from arpent.domain.ports.jobs import Lease
from arpent.settings import Settings
from arpent.wiring import server, store

OWNER = "tests"


def deadly(killers: Mapping[int, int], deaths: Path, settings: Settings, lease: Lease) -> Outcome:
    """Do the work, write its results, and then die of the first killer among the features, by its signal; every death
    leaves a line in `deaths`. Runs in a worker, where the wiring is as ever."""
    assert lease.partition is not None
    outcome = worker.process_lease(settings, lease)
    ids = lease.partition.features.ids.tolist()
    for feature in ids:
        if feature in killers:
            with deaths.open("a") as log:
                log.write(f"{feature} among {len(ids)}\n")
            os.kill(os.getpid(), killers[feature])
    return outcome


@dataclass(kw_only=True)
class DeadlySite:
    """Database, buckets and the list of deaths live in `folder`; the workers are real."""

    folder: Path
    settings: Settings
    executor: Executor
    percentages: list[float] = field(default_factory=list)
    """As they were seen, of all jobs."""

    def __post_init__(self) -> None:
        self.engine: Engine = store.database(self.settings)
        self.service = server.service(self.settings, self.engine)
        self.deaths = self.folder / "deaths.txt"

    def close(self) -> None:
        """Close what is open to the database: another test would be blamed when Python finds it."""
        self.engine.dispose()

    def create(self, body: str) -> str:
        return self.service.create(OWNER, body).id

    def start(self, job_id: str, killers: Mapping[int, int]) -> Job:
        """START, and the job at its end."""
        self.deaths.write_text("")
        self.percentages.clear()
        self.service.act(OWNER, job_id, UserAction.START)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(server, "process_lease", partial(deadly, dict(killers), self.deaths))
            runner = server.runner(self.settings, self.engine, self.executor)
        runner.run_until(lambda: self._look(job_id).status in ENDED)
        return self._look(job_id)

    def reasons(self, job_id: str) -> dict[int, str]:
        """Feature → why it failed."""
        findings = self.service.findings(OWNER, job_id, 0, 10_000)
        return {finding.feature: finding.message for finding in findings if finding.verdict == "FAILED"}

    def _look(self, job_id: str) -> Job:
        job = self.service.get(OWNER, job_id)
        self.percentages.append(job.progress.percentage)
        return job
