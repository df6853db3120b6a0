"""Reading: time from COGs to the samples of many parcels, as a ratio to the decode floor of the same run.

    python -m benchmarks.reading [--side 5490] [--parcels 1500 40000] [--repeat 5] [--folder DIR]

The floor reads, inflates and un-predicts every block that holds a sample, once, and does nothing else, using libdeflate
(imagecodecs), the fastest decoder of this installation. Arpent's figures are those of `simple()`, with the geometry
prepared beforehand ("further": the cost of each further date) and with its preparation ("first": the first date). All
run in one thread; CPU seconds of the process, measured alternately; the best of the repeats counts.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import process_time

import imagecodecs
import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer

from arpent.adapters.images.decode import _sum_rows
from arpent.adapters.images.reader import CogReader
from arpent.domain.grid import Grids, Resolution, Samples
from arpent.domain.imagery.collection import Band, Collection, Unit
from arpent.domain.imagery.item import Asset, Item
from arpent.domain.request import Source
from arpent.raster.conversion import BandRequest
from arpent.raster.mosaic import simple
from arpent.raster.sampling_plan import SamplingPlan

BANDS = ("B04", "B08")
UTM = CRS.from_epsg(32633)
LEFT, TOP = 500000.0, 5000000.0


def landscape(side: int, seed: int) -> NDArray[np.uint16]:
    """(side, side): autocorrelated reflectance that deflates to about 11 bits per pixel."""
    random = np.random.default_rng(seed)
    pixels = np.full((side, side), 2500.0, np.float32)
    for scale, height in ((256, 900), (64, 500), (16, 300), (4, 120), (1, 60)):
        coarse = random.normal(0.0, height, (side // scale + 1, side // scale + 1)).astype(np.float32)
        pixels += np.repeat(np.repeat(coarse, scale, 0), scale, 1)[:side, :side]
    return np.clip(pixels, 1, 20000).astype(np.uint16)


def images(folder: Path, side: int) -> dict[str, str]:
    """Band → path of a COG-like image, with blocks of 1024 x 1024 pixels, deflate and predictor 2."""
    hrefs = {}
    for seed, band in enumerate(BANDS):
        path = folder / f"{band}-{side}.tif"
        if not path.exists():
            with rasterio.open(
                path, "w", driver="GTiff", width=side, height=side, count=1, dtype="uint16", crs="EPSG:32633",
                transform=Affine(10.0, 0.0, LEFT, 0.0, -10.0, TOP), tiled=True, blockxsize=1024, blockysize=1024,
                compress="deflate", predictor=2, nodata=0,
            ) as image:  # fmt: skip
                image.write(landscape(side, seed), 1)
        hrefs[band] = str(path)
    return hrefs


def parcels(count: int, side: int, crs: CRS) -> tuple[Grids, Samples]:
    """Grids and samples of elliptical parcels of about 1.7 ha, clustered in villages and sorted by village."""
    random = np.random.default_rng(7)
    extent = side * 10.0
    villages = random.uniform(2000.0, extent - 2000.0, (max(1, count // 400), 2))
    middles = villages[np.sort(random.integers(0, len(villages), count))] + random.uniform(-1500, 1500, (count, 2))
    half = np.clip(random.lognormal(np.log(65.0), 0.4, (count, 2)), 12.0, 300.0)
    x, y = LEFT + middles[:, 0], TOP - middles[:, 1]
    bounds = np.column_stack((x - half[:, 0], y - half[:, 1], x + half[:, 0], y + half[:, 1]))
    size = Resolution(x=10.0, y=10.0)
    if crs != UTM:
        there = Transformer.from_crs(UTM, crs, always_xy=True)
        west, south = there.transform(bounds[:, 0], bounds[:, 1])
        east, north = there.transform(bounds[:, 2], bounds[:, 3])
        bounds = np.column_stack((west, south, east, north))
        size = Resolution(x=0.00013, y=0.00009)
    grids = Grids.over(bounds, size)
    return grids, _ellipses(grids)


def _ellipses(grids: Grids) -> Samples:
    places, counts = [], []
    for height, width in zip(grids.height, grids.width, strict=True):
        rows, columns = np.indices((height, width)).reshape(2, -1)
        inside = ((columns + 0.5) / width * 2 - 1) ** 2 + ((rows + 0.5) / height * 2 - 1) ** 2 <= 1.1
        places.append(np.stack((rows, columns))[:, inside])
        counts.append(int(inside.sum()))
    rows, columns = np.concatenate(places, axis=1).astype(np.int32)
    return Samples.of(offsets=np.concatenate(([0], np.cumsum(counts))), columns=columns, rows=rows)


@dataclass(frozen=True, kw_only=True)
class Job:
    """The images, and the samples that are read from them."""

    hrefs: dict[str, str]
    grids: Grids
    samples: Samples
    crs: CRS
    reader: CogReader

    def sampling(self) -> SamplingPlan:
        return SamplingPlan(self.crs, self.grids, self.samples)

    def run(self, sampling: SamplingPlan) -> int:
        unit = Unit(name="REFLECTANCE", scale=0.0001)
        bands = {name: Band(name=name, assets=(name,), units=(unit,), harmonized=True) for name in BANDS}
        item = Item(
            id="one", collection="bench", instant=datetime(2023, 6, 1, tzinfo=UTC), created=None, cloud_cover=None,
            footprint=shapely.box(-180, -90, 180, 90),
            assets={name: Asset(href=href, harmonization=-1000.0) for name, href in self.hrefs.items()},
        )  # fmt: skip
        mosaic = simple(
            [item], [BandRequest(band=band, unit=unit) for band in bands.values()], sampling, self.reader,
            source=Source(id="0", collection="bench"),
            collection=Collection(id="bench", aliases=(), stac_collections=(), bands=bands),
        )  # fmt: skip
        return int(mosaic.mask.sum())

    def needed(self, sampling: SamplingPlan) -> list[tuple[str, int, int]]:
        """(file, offset, length) of every block that holds a sample."""
        blocks = []
        for href in self.hrefs.values():
            source = Source(id="0", collection="bench")
            (index,) = sampling.indices(self.reader.describe(href), source.upsampling, source.downsampling)
            table = self.reader._image(href).tables[0]  # type: ignore[union-attr]
            blocks += [(href, *table.entry(*divmod(int(n), -(-table.shape.width // 1024)), 0)) for n in index.blocks]
        return blocks


def floor(blocks: list[tuple[str, int, int]]) -> None:
    """Read, inflate and un-predict the blocks, into buffers that are reused."""
    whole = bytearray(1024 * 1024 * 2)
    pixels = np.frombuffer(whole, np.uint16).reshape(1024, 1024)
    files = {href: Path(href).open("rb") for href in {href for href, _, _ in blocks}}  # noqa: SIM115
    for href, offset, length in blocks:
        files[href].seek(offset)
        imagecodecs.deflate_decode(files[href].read(length), out=whole)
        _sum_rows(pixels, pixels)
    for file in files.values():
        file.close()


def seconds(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return process_time() - start


def measure(job: Job, repeat: int) -> tuple[int, float, float, float]:
    """Number of blocks, and the best seconds of the floor, of a further date and of the first date."""
    sampling = job.sampling()
    blocks = job.needed(sampling)
    job.run(sampling)
    floor(blocks)
    runs = []
    for _ in range(repeat):
        further = seconds(lambda: job.run(sampling))
        first = seconds(lambda: job.run(job.sampling()))
        runs.append((seconds(lambda: floor(blocks)), further, first))
    best, further, first = (min(column) for column in zip(*runs, strict=True))
    return len(blocks), best, further, first


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--side", type=int, default=5490, help="pixels of the image per side")
    arguments.add_argument("--parcels", type=int, nargs="+", default=[1500, 40000])
    arguments.add_argument("--repeat", type=int, default=5)
    arguments.add_argument("--folder", type=Path, help="where the images are kept between runs")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        hrefs = images(given.folder or Path(temporary), given.side)
        print(f"{'CRS':10} {'parcels':>8} {'samples':>9} {'blocks':>6} {'floor s':>8} {'further':>8} {'first':>6}")
        for count in given.parcels:
            for name, crs in (("UTM", UTM), ("EPSG:4326", CRS.from_epsg(4326))):
                grids, samples = parcels(count, given.side, crs)
                reader = CogReader(threads=1)
                job = Job(hrefs=hrefs, grids=grids, samples=samples, crs=crs, reader=reader)
                blocks, best, further, first = measure(job, given.repeat)
                reader.close()
                ratios = f"{further / best:8.2f} {first / best:6.2f}"
                print(f"{name:10} {count:8d} {len(samples):9d} {blocks:6d} {best:8.3f} {ratios}")


if __name__ == "__main__":
    main()
