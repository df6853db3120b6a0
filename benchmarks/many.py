"""Very many parcels, as `arpent serve` processes them: analysis in the runner, then one interval in a worker process.

Peaks of memory are measured separately for the runner, which analyses, the process of `processes:1`, which computes and
writes, and the evalscript's process below it.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from benchmarks.cases import UTM, layer
from benchmarks.clock import Taken, Watch, peak_bytes, take

OWNER = "bench"


def many(folder: Path, size: str) -> dict[str, Any]:
    """Seconds, and peak bytes of each process. Runs on two cores if there are two, since the runner supervises the
    worker while it works."""
    from arpent.domain.job import Status, UserAction
    from arpent.jobs.state_machine import completion
    from arpent.wiring import local, server, store
    from benchmarks import ours

    features, _ = layer(folder, size, "many", UTM)
    before = peak_bytes()
    database = folder / "bench.db"
    for file in folder.glob("bench.db*"):
        file.unlink()
    update = {"database_url": f"sqlite:///{database}", "executor": "processes:1"}
    chosen = ours.settings(folder).model_copy(update=update)
    engine = store.database(chosen)
    service = server.service(chosen, engine)
    job = service.create(OWNER, ours.body(features, 1))

    def until(*reached: Status) -> tuple[Taken, float]:
        """Run until the job has one of these statuses or has failed. Returns the time that it took, and the processor
        seconds of this process alone."""
        begun = time.process_time()
        taken = take(lambda: runner.run_until(lambda: service.get(OWNER, job.id).status in (*reached, Status.FAILED)))
        return taken, time.process_time() - begun

    with Watch() as watch:
        executor = local.executor_of(chosen)
        runner = server.runner(chosen, engine, executor)
        try:
            service.act(OWNER, job.id, UserAction.ANALYSE)
            analysis, analysing = until(Status.ANALYSIS_DONE)
            analysed = peak_bytes()
            service.act(OWNER, job.id, UserAction.START)
            processing, running = until(Status.DONE)
        finally:
            executor.close()
    ended = service.get(OWNER, job.id)
    engine.dispose()
    shutil.rmtree(ours.root(folder) / "results" / "out", ignore_errors=True)
    return {
        "features": ended.progress.features, "partitions": ended.progress.partitions, "done": ended.progress.done,
        "failed": ended.progress.failed, "percent": completion(ended, chosen.policy), "status": str(ended.status),
        "analysis": analysis.wall, "interval": processing.wall, "analysis cpu": analysis.cpu,
        "runner's analysis": analysing, "runner": running, "cpu": analysis.cpu + processing.cpu, "peaks": {
            "before": before, "analysis": analysed, "runner": peak_bytes(), "worker": watch.peak(1, 1),
            "script": watch.peak(2, 9),
        },
    }  # fmt: skip
