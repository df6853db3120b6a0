"""Cases: what is measured. Each case runs in a process of its own, so that peaks of memory can be told apart."""

from __future__ import annotations

import cProfile
import multiprocessing
import pstats
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from arpent.domain.grid import MAXIMUM_SIDE
from benchmarks.clock import Taken, best, forget_peak, peak_below, peak_bytes, pin, take
from benchmarks.country import SIZES, districts, parcels, season, squares
from benchmarks.ours import bring
from benchmarks.parcels import Numbers

UTM, DEGREES = "EPSG:32633", "EPSG:4326"
PER_COMMUNE = 400
LARGE = 500
"""Number of features in the case "large"; each is as large as is allowed."""

STAGES = (
    ("script", ("/scripts/", "/evalscript/", "script_supervisor.py", "_socket")),
    ("read and decode", ("/images/", "isal", "imagecodecs", "posix.pread", "posix.open")),
    ("acquisitions", ("/catalogs/", "acquisitions.py")),
    ("locate and gather", ("/raster/", "pyproj")),
    ("cover and reduce", ("/zonal/",)),
    ("render JSON", ("/wire/", "orjson")),
    ("render Parquet", ("parquet", "pyarrow")),
    ("write files", ("folder_", "posix", "concurrent/futures", "threading")),
)
"""Stage and parts of the paths or names of its functions; a function belongs to the first stage that fits."""


def alone(work: Callable[..., Any], *arguments: object, cores: int = 1) -> Any:
    """Call `work` in a new process that is pinned to so many cores."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_send, args=(there, work, arguments, cores))
    child.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        raise SystemExit(f"benchmark {work.__name__} ended early, see above") from None
    finally:
        child.join()


def _send(pipe: Any, work: Callable[..., Any], arguments: tuple[object, ...], cores: int) -> None:
    pin(cores)
    pipe.send(work(*arguments))
    pipe.close()


def layer(folder: Path, size: str, kind: str, crs: str, factor: float = 1) -> tuple[Path, int]:
    """GeoPackage with a kind of parcels, and the number of dates for them."""
    chosen = SIZES[size]
    if kind in ("regions", "voronoi"):
        count, touching = (chosen.cells, True) if kind == "voronoi" else (chosen.regions, False)
        path = districts(folder, f"{kind}-{count}", count, chosen.side, touching)
        bring(folder, path)
        return path, chosen.dates
    if kind == "large":
        path = squares(folder, kind, LARGE, chosen.side, min(MAXIMUM_SIDE, chosen.side // 2))
        bring(folder, path)
        return path, 1
    villages = max(1, chosen.sparse // PER_COMMUNE)
    number, communes, dates = {
        "dense": (chosen.dense, None, chosen.dense_dates),
        "many": (chosen.many, None, chosen.dates),
        "one": (1, villages, chosen.dates),
        "sparse": (chosen.sparse, villages, chosen.dates),
        "orbit": (4 * chosen.sparse, 4 * villages, chosen.season),
        "orbit-sparse": (chosen.sparse, villages, chosen.season),
    }[kind]
    count = round(number * factor)
    path = parcels(folder, f"{kind}-{count}-{crs.partition(':')[2]}", count, chosen.side, crs, communes)
    bring(folder, path)
    return path, dates


def core(folder: Path, size: str, kind: str, crs: str, rounds: int) -> dict[str, Any]:
    """Measure the floor and arpent alternately on one core."""
    from benchmarks import ours
    from benchmarks.floor import floor, needed

    features, dates = layer(folder, size, kind, crs)
    orbit = kind.startswith("orbit")
    catalog = season(folder, dates) if orbit else folder / "catalog"
    begun = time.perf_counter()
    plain = ours.prepare(folder, ours.body(features, dates, season=orbit), catalog=str(catalog))
    analysis = time.perf_counter() - begun
    rich = ours.prepare(folder, ours.body(features, dates, calculations=ours.RICH, season=orbit), catalog=str(catalog))
    pieces = needed(plain.request, plain.world, catalog, dates)
    forget_peak()
    works = {
        "numbers": plain.numbers, "numbers, percentiles, histogram": rich.numbers,
        "files": plain.files, "files, percentiles, histogram": rich.files,
    }  # fmt: skip
    runs: dict[str, list[Taken]] = {name: [] for name in works}
    floors: list[Taken] = []
    decoder = ""
    for work in (plain.numbers, rich.numbers):
        warm(work)
    for _ in range(rounds):
        decoder, taken = floor(pieces, 1)
        floors.append(taken)
        for name, work in works.items():
            runs[name].append(take(work))
            plain.set_aside()
    stages = staged(plain.files)
    plain.clear()
    ground = best(floors)
    return {
        "decoder": decoder,
        "blocks": len(pieces),
        "decoded": plain.decoded(),
        "compressed": sum(piece.length for piece in pieces),
        "features": sum(len(each.features) for each in plain.partitions),
        "dates": dates,
        "partitions": len(plain.partitions),
        "analysis": analysis,
        "floor": {"cpu": ground.cpu, "wall": ground.wall},
        "arpent": {name: {"cpu": best(run).cpu, "wall": best(run).wall} for name, run in runs.items()},
        "stages": shared(stages, best(runs["files"]).cpu),
        "peak": peak_bytes(),
        "script_peak": peak_below(),
    }


def warm(work: Callable[[], object]) -> list[float]:
    """Repeat the work until it gets no faster; returns the seconds of each run. The first runs load kernels and let V8
    confirm the compiled script; a worker pays for that once, not per job (`fixed` measures how much)."""
    runs = [take(work).cpu]
    while len(runs) < 6 and (len(runs) == 1 or runs[-1] < 0.95 * runs[-2]):
        runs.append(take(work).cpu)
    return runs


def staged(work: Callable[[], object]) -> dict[str, float]:
    """Seconds by stage in a profile. Only their shares are meaningful, since profiling itself takes time. Time in
    compiled functions counts for their callers."""
    profile = cProfile.Profile()
    profile.runcall(work)
    found = dict.fromkeys([*(name for name, _ in STAGES), "rest"], 0.0)
    for function, (_, _, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        stage = _stage(function)
        if stage != "rest" or not callers:
            found[stage] += own
            continue
        for caller, (_, _, part, _) in callers.items():
            found[_stage(caller)] += part
    return found


def shared(stages: dict[str, float], seconds: float) -> dict[str, float]:
    """Scale the seconds of a profile so that their sum is `seconds`, which was measured without profiling."""
    total = sum(stages.values()) or 1.0
    return {name: seconds * part / total for name, part in stages.items()}


def _stage(function: tuple[str, int, str]) -> str:
    path = f"{function[0]}:{function[2]}"
    return next((name for name, marks in STAGES if any(mark in path for mark in marks)), "rest")


def generate(folder: Path, size: str, kind: str, crs: str, factor: float = 1) -> None:
    """Make the parcels beforehand, so that the peaks of memory of cases do not include making them."""
    layer(folder, size, kind, crs, factor)


def large(folder: Path, size: str) -> dict[str, Any]:
    """Analysis of features of the largest size allowed: seconds, and the peak memory of its process."""
    from benchmarks import ours

    features, dates = layer(folder, size, "large", UTM)
    jobs: list[ours.Job] = []
    taken = take(lambda: jobs.append(ours.prepare(folder, ours.body(features, dates))))
    count = sum(len(part.features) for part in jobs[0].partitions)
    return {"features": count, "cpu": taken.cpu, "wall": taken.wall, "peak": peak_bytes()}


def peers(folder: Path, size: str, kind: str, dates: int | None = None, only: str = "") -> dict[str, Any]:
    """Measure the peers on the same core, each in a process of its own; peers that are not installed are named.
    `dates`: number of dates; None: all of the case, which then measures arpent, too. `only`: beginning of the peers'
    names."""
    from benchmarks.peers import PEERS

    reference = alone(_reference, folder, size, kind, dates)
    chosen = (name for name in PEERS if name.startswith(only))
    found = {name: alone(_peer, folder, size, kind, name, reference, dates) for name in chosen}
    return found if dates is None else {**found, "arpent": alone(_ours, folder, size, kind, dates)}


def _ours(folder: Path, size: str, kind: str, dates: int) -> dict[str, float]:
    from benchmarks import ours

    features, _ = layer(folder, size, kind, UTM)
    job = ours.prepare(folder, ours.body(features, dates))
    warm(job.numbers)
    taken = best([take(job.numbers) for _ in range(2)])
    return {"cpu": taken.cpu, "wall": taken.wall}


def _reference(folder: Path, size: str, kind: str, dates: int | None) -> Numbers:
    from benchmarks import ours
    from benchmarks.peers import compared

    features, every = layer(folder, size, kind, UTM)
    dates = dates or every
    job = ours.prepare(folder, ours.body(features, dates))
    count = sum(len(each.features) for each in job.partitions)
    return job.summary(compared(count), dates)


def _peer(folder: Path, size: str, kind: str, name: str, reference: Numbers, dates: int | None) -> dict[str, Any]:
    from benchmarks.parcels import read
    from benchmarks.peers import PEERS, agreement, measure, told

    peer = PEERS[name]
    if not peer.installed:
        return {"note": f"not measured: {peer.package} is not installed"}
    features, every = layer(folder, size, kind, UTM)
    taken, note, numbers = measure(peer, read(features, folder / "catalog", dates or every))
    found = agreement(reference, numbers)
    return {
        "cpu": taken.cpu, "wall": taken.wall, "peak": peak_bytes(), "extrapolated": bool(note),
        "images": peer.images, "agreement": found, "note": "; ".join(filter(None, (note, told(found)))),
    }  # fmt: skip


def workers(folder: Path, size: str, count: int) -> dict[str, float]:
    """Write files for the sparse parcels with `count` worker processes; wall seconds once the workers are warm."""
    from arpent import worker
    from arpent.domain.ports.jobs import Lease
    from arpent.wiring import local
    from benchmarks import ours

    features, dates = layer(folder, size, "sparse", UTM)
    job = ours.prepare(folder, ours.body(features, dates), parallelism=2)
    chosen = ours.settings(folder).model_copy(update={"executor": f"processes:{count}"})
    executor = local.executor_of(chosen)
    work = partial(worker.process_lease, chosen)
    leases = [
        Lease(job_id=f"workers-{count}", token=str(part.number), partition=part, attempt=1, request=job.request)
        for part in job.partitions
    ]
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        tickets = [executor.submit(work, lease) for lease in leases]
        for ticket in tickets:
            while not ticket.done():
                time.sleep(0.002)
            ticket.result()
        times.append(time.perf_counter() - begun)
    peak = peak_below()
    executor.close()
    job.clear()
    return {"wall": min(times[1:]), "first": times[0], "peak": peak}


def growth(folder: Path, size: str, factor: int, dates: int) -> dict[str, float]:
    """Compute the numbers of more parcels, or of more dates."""
    from benchmarks import ours

    features, _ = layer(folder, size, "sparse", UTM, factor / 4)
    job = ours.prepare(folder, ours.body(features, dates))
    warm(job.numbers)
    taken = best([take(job.numbers) for _ in range(2)])
    return {"cpu": taken.cpu, "wall": taken.wall, "peak": peak_bytes(), "partitions": len(job.partitions)}


def remote(folder: Path, size: str, delay: float) -> dict[str, float]:
    """Compute the numbers of the sparse parcels alternately over HTTP and from disk; wall seconds."""
    from benchmarks import ours
    from benchmarks.remote import linked, serving

    features, dates = layer(folder, size, "sparse", UTM)
    near = ours.prepare(folder, ours.body(features, dates))
    runs: dict[str, list[Taken]] = {"local": [], "http": []}
    with serving(folder / "catalog", delay) as address:
        catalog = linked(folder, address)
        there = {"catalog": str(catalog), "reachable": (address.rpartition("/")[2],)}
        far = ours.prepare(folder, ours.body(features, dates), **there)
        warm(near.numbers)
        warm(far.numbers)
        for _ in range(3):
            runs["local"].append(take(near.numbers))
            runs["http"].append(take(far.numbers))
        shutil.rmtree(catalog)
    return {"delay": delay, **{name: best(run).wall for name, run in runs.items()}}
