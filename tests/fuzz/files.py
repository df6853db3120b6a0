"""Mutated GeoPackages, images and STAC items, read by a process that may die; `fault` says what went wrong."""

from __future__ import annotations

import json
import random
import selectors
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.fuzz import mutate
from tests.support.cogs import formula, write
from tests.support.jpeg2000 import write_jp2
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.world import SEASON, item

LIMIT = 10.0
"""Seconds that a file may take."""
START = 60.0
"""Seconds that the first answer may take: the reader's imports are in it."""
MAY_DIE = frozenset({"geopackage"})
"""What the product reads in a process that may die, or take too long and be ended (`adapters/features/isolated.py`)."""


def originals(folder: Path) -> dict[str, list[bytes]]:
    """Valid files of each kind."""
    folder.mkdir(exist_ok=True)
    geopackage, made = folder / "good.gpkg", []
    write_geopackage(geopackage, good_parcels(4), 32633)
    shapes = (
        ({"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate", "predictor": 2}, "uint16"),
        ({"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "zstd", "nodata": 0}, "uint16"),
        ({"compress": "lzw"}, "float32"),
        ({"BIGTIFF": "YES", "tiled": True, "blockxsize": 64, "blockysize": 64}, "uint8"),
        ({"driver": "COG", "blocksize": 128}, "uint16"),
    )
    for number, (options, dtype) in enumerate(shapes):
        made.append(Path(write(folder / f"{number}.tif", formula(200, 150, dtype), **options)).read_bytes())
    pixels = np.stack([formula(100, 100, "uint8")] * 3)
    made.append(Path(write(folder / "rgb.tif", pixels, compress="jpeg", photometric="ycbcr")).read_bytes())
    made.append(Path(write_jp2(folder / "a.jp2", formula(200, 150) % 4000, 64, RESOLUTIONS=3)).read_bytes())
    return {
        "geopackage": [geopackage.read_bytes()],
        "image": made,
        "item": [
            mutate.text(item(SEASON[0])),
            mutate.text({"type": "FeatureCollection", "features": [item(SEASON[1])]}),
        ],
    }


SUFFIXES = {"geopackage": ".gpkg", "image": ".tif", "item": ".json"}


def made(die: random.Random, kind: str, good: list[bytes]) -> bytes:
    payload = die.choice(good)
    if kind == "item" and die.random() < 0.85:
        return mutate.text(mutate.of_json(die, json.loads(payload)))
    return mutate.of_bytes(die, payload)


class Reader:
    """The process, started again whenever it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._fresh = True
        self.deaths = 0

    def fault(self, kind: str, path: Path) -> str | None:
        """What went wrong with a file; None: nothing."""
        process = self._living()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{kind} {path}\n")
        process.stdin.flush()
        with selectors.DefaultSelector() as waiting:
            waiting.register(process.stdout, selectors.EVENT_READ)
            came = waiting.select(START if self._fresh else LIMIT)
        answer = process.stdout.readline().strip() if came else ""
        self._fresh = False
        if answer:
            return answer if answer.startswith("raw") else None
        self.close()
        ended = process.wait(10)
        self.deaths += 1
        if kind in MAY_DIE:
            return None
        return f"the reader died with {ended}" if came else f"no answer within {LIMIT:g} s"

    def _living(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            command = [sys.executable, "-m", "tests.fuzz.reader"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                cwd=Path(__file__).parents[2],
            )  # fmt: skip
            self._fresh = True
        return self._process

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    try:
                        stream.close()
                    except BrokenPipeError:
                        continue
            self._process = None
