"""Fixed costs: processor time that a worker needs once when it starts, and for each partition, however small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.cases import UTM, layer, shared, staged, warm
from benchmarks.clock import best, take

IMPORTS = "from arpent.wiring import server"
ROUNDS = 5


def fixed(folder: Path, size: str) -> dict[str, Any]:
    """Processor seconds of one parcel on all dates, and of the start of a worker.

    `once`: costs of a new process only (imports; loading kernels and the compiled script from their caches; V8, which
    confirms the compiled script on some samples), which no row of the table includes. `each`: what a partition of one
    parcel takes in a warm worker, and the floor of its blocks; the rows include the difference once per partition.
    """
    from benchmarks import ours
    from benchmarks.floor import floor, needed

    features, dates = layer(folder, size, "one", UTM)
    text = ours.body(features, dates)
    plain, rich = ours.prepare(folder, text), ours.prepare(folder, ours.body(features, dates, calculations=ours.RICH))
    first = warm(plain.files)
    plain.set_aside()
    found = {"numbers": plain.numbers, "files": plain.files, "files, percentiles, histogram": rich.files}
    each = {}
    for name, work in found.items():
        each[name] = best([take(work) for _ in range(ROUNDS)]).cpu
    _, ground = floor(needed(plain.request, plain.world, folder / "catalog", dates))
    stages = staged(plain.files)
    plain.clear()
    return {
        "dates": dates,
        "once": {
            "Python": best([take(lambda: _python("pass")) for _ in range(2)]).cpu,
            "Python and imports": best([take(lambda: _python(IMPORTS)) for _ in range(2)]).cpu,
            f"the first {len(first)} partitions more than others": max(0.0, sum(first) - len(first) * each["files"]),
        },
        "each": {**each, "the floor of its blocks": ground.cpu},
        "stages": shared(stages, each["files"]),
    }  # fmt: skip


def _python(text: str) -> None:
    subprocess.run([sys.executable, "-c", text], check=True)
