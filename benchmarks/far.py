"""Far images: a job over a link of 30 ms and 100 Mbit/s, and a second one that finds ranges in the disk cache."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

from benchmarks.cases import UTM, layer, warm
from benchmarks.clock import take
from benchmarks.floor import Piece

RATE = 100e6 / 8
"""Bytes per second of the link."""
GAP, MOST = 256 << 10, 4 << 20
"""Maximum bytes between two blocks that an ideal reader fetches together, and maximum bytes of one of its fetches."""


def far(folder: Path, size: str, delay: float) -> dict[str, Any]:
    """Compute the numbers of the sparse parcels. Returns wall seconds, requests and bytes of a job with cold caches,
    and of a second one; the requests that an ideal reader would need; and the seconds that the link needs for the bytes
    alone, and the same job with local images."""
    from benchmarks import ours
    from benchmarks.floor import needed
    from benchmarks.remote import asked, linked, serving

    features, dates = layer(folder, size, "sparse", UTM)
    near = ours.prepare(folder, ours.body(features, dates))
    warm(near.numbers)
    pieces = needed(near.request, near.world, folder / "catalog", dates)
    kept = Path(tempfile.mkdtemp(prefix="arpent-bench-"))
    runs = []
    try:
        with serving(folder / "catalog", delay, RATE) as address:
            catalog = linked(folder, address)
            for other in (511, 512):  # different settings make new services, which have read no headers yet
                asked(address)
                reachable = (address.rpartition("/")[2],)
                more = {"cache": f"{kept}:4GB", "synchronous_cache": other, "reachable": reachable}
                job = ours.prepare(folder, ours.body(features, dates), catalog=str(catalog), **more)
                taken = take(job.numbers)
                requests, fetched = asked(address)
                runs.append({"wall": taken.wall, "cpu": taken.cpu, "requests": requests, "bytes": fetched})
            shutil.rmtree(catalog)
    finally:
        shutil.rmtree(kept, ignore_errors=True)
    return {
        "delay": delay, "rate": RATE, "images": len({piece.path for piece in pieces}),
        "ideal": sum(_ideal(pieces)), "link": sum(piece.length for piece in pieces) / RATE,
        "local": take(near.numbers).wall, "first": runs[0], "second": runs[1],
    }  # fmt: skip


def _ideal(pieces: list[Piece]) -> Iterator[int]:
    """Requests per image: one for its header, and one for each run of blocks that lie close together in the file."""
    for _, mine in groupby(sorted(pieces, key=attrgetter("path", "offset")), key=attrgetter("path")):
        requests, start, end = 1, -1, -1
        for piece in mine:
            if start < 0 or piece.offset - end > GAP or piece.offset + piece.length - start > MOST:
                requests, start = requests + 1, piece.offset
            end = piece.offset + piece.length
        yield requests
