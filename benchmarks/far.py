"""Images far away: over a link of 30 ms and 100 Mbit/s, once and again with ranges kept on the disk."""

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
"""Bytes per second."""
GAP, MOST = 256 << 10, 4 << 20
"""Bytes between two blocks that an ideal reader fetches along; bytes that it fetches at once."""


def far(folder: Path, size: str, delay: float) -> dict[str, Any]:
    """Numbers of the sparse parcels: wall, requests and bytes of a job whose images nobody has seen, and of a second
    one; requests that an ideal reader needs; seconds of the link alone and of the same job beside its images."""
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
            for other in (511, 512):  # other settings, other services, which have read no header yet
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
    """Requests per image: one for its header, and one for each stretch of blocks that lie side by side."""
    for _, mine in groupby(sorted(pieces, key=attrgetter("path", "offset")), key=attrgetter("path")):
        requests, start, end = 1, -1, -1
        for piece in mine:
            if start < 0 or piece.offset - end > GAP or piece.offset + piece.length - start > MOST:
                requests, start = requests + 1, piece.offset
            end = piece.offset + piece.length
        yield requests
