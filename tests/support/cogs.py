"""Made-up images whose pixels are a formula, sites over them, and a reader that serves them from memory and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from arpent.adapters.images.byte_counter import ByteMeter
from arpent.domain.errors import AssetUnreadable
from arpent.domain.grid import Grids, Resolution, Samples
from arpent.domain.imagery.collection import Band, Collection, Unit
from arpent.domain.imagery.item import Asset, Calibration, CalibrationFile, Item
from arpent.domain.imagery.raster import Georeference, Level, Raster
from arpent.domain.ports.imagery import Block, Count
from arpent.domain.request import Source
from arpent.raster.conversion import BandRequest
from arpent.raster.sampling_plan import SamplingPlan

UTM = CRS.from_epsg(32633)
TRANSFORM = Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 5100000.0)
REFLECTANCE = Unit(name="REFLECTANCE", scale=0.0001)
DN = Unit(name="DN")
EVERYWHERE = shapely.box(-180, -90, 180, 90)


def formula(height: int, width: int, dtype: str = "uint16", seed: int = 0) -> NDArray[np.generic]:
    """Pixels that tell their place, never 0."""
    rows, columns = np.mgrid[:height, :width]
    pixels = rows * 7 + columns * 13 + seed * 101
    if np.dtype(dtype).kind == "f":
        return (pixels / 8 + 0.5).astype(dtype)
    return (pixels % (np.iinfo(dtype).max - 1) + 1).astype(dtype)


def write(path: Path, pixels: NDArray[np.generic], transform: Affine = TRANSFORM, **options: Any) -> str:
    """A GeoTIFF of (height, width) or (bands, height, width) pixels; returns its path as text."""
    bands = pixels.reshape(-1, *pixels.shape[-2:])
    profile = {"driver": "GTiff", "crs": "EPSG:32633", "transform": transform, "dtype": bands.dtype.name}
    shape = {"count": bands.shape[0], "height": bands.shape[1], "width": bands.shape[2]}
    with rasterio.open(path, "w", **(profile | shape | options)) as image:
        image.write(bands)
    return str(path)


def boxes_site(bounds: Sequence[Sequence[float]], resolution: float = 10.0, crs: CRS = UTM) -> SamplingPlan:
    """A site of rectangles: every sample of every grid is inside."""
    grids = Grids.over(np.array(bounds, np.float64).reshape(-1, 4), Resolution(x=resolution, y=resolution))
    return SamplingPlan(crs=crs, grids=grids, samples=all_inside(grids))


def all_inside(grids: Grids) -> Samples:
    sides = zip(grids.height, grids.width, strict=True)
    places = [np.indices(shape).reshape(2, -1) for shape in sides]
    rows, columns = np.concatenate(places, axis=1) if places else np.zeros((2, 0), np.int64)
    return Samples.of(
        offsets=np.concatenate(([0], np.cumsum(grids.sample_count))),
        columns=columns.astype(np.int32),
        rows=rows.astype(np.int32),
    )


def centres(sampling: SamplingPlan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """x, y of every sample, the obvious way."""
    owner = np.repeat(np.arange(len(sampling.grids)), sampling.samples.counts)
    size = sampling.grids.pixel_size[owner]
    bounds = sampling.grids.bounds[owner]
    return bounds[:, 0] + (sampling.samples.columns + 0.5) * size[:, 0], bounds[:, 3] - (
        sampling.samples.rows + 0.5
    ) * size[:, 1]


def band(name: str, **fields: Any) -> Band:
    return Band(name=name, assets=(name,), units=fields.pop("units", (REFLECTANCE, DN)), **fields)


def wants(*bands: Band, unit: Unit = REFLECTANCE) -> tuple[BandRequest, ...]:
    return tuple(BandRequest(band=one, unit=unit) for one in bands)


def collection(*bands: Band, **fields: Any) -> Collection:
    return Collection(id="made-up", aliases=(), stac_collections=(), bands={one.name: one for one in bands}, **fields)


def source(**fields: Any) -> Source:
    return Source(id="0", collection="made-up", **fields)


def item(name: str, hrefs: Mapping[str, str], day: int = 1, **fields: Any) -> Item:
    harmonization = fields.pop("harmonization", 0.0)
    return Item(
        id=name,
        collection="made-up",
        instant=datetime(2023, 6, 1, 10, tzinfo=UTC) + timedelta(days=day),
        created=fields.pop("created", None),
        cloud_cover=fields.pop("cloud_cover", None),
        footprint=fields.pop("footprint", EVERYWHERE),
        assets={key: Asset(href=href, harmonization=harmonization) for key, href in hrefs.items()},
        **fields,
    )


@dataclass
class MemoryReader:
    """AssetReader over arrays, block by block; remembers what was asked of it."""

    images: Mapping[str, NDArray[np.generic]]
    """href → pixels (height, width)."""
    block: int = 16
    transform: Affine = TRANSFORM
    overviews: Mapping[str, Sequence[NDArray[np.generic]]] = field(default_factory=dict)
    no_data: float | None = None
    masked: bool = False
    described: set[str] = field(default_factory=set)
    blocks: Counter[tuple[str, int, Block]] = field(default_factory=Counter)

    def counting(self) -> AbstractContextManager[Count]:
        return ByteMeter().counting()

    def prepare(self, hrefs: Sequence[str], files: Sequence[CalibrationFile] = ()) -> None:
        self.described.update(hrefs)

    def calibration(self, file: CalibrationFile) -> Calibration:
        raise AssetUnreadable("its file cannot be read", href=file.href)

    def describe(self, href: str, place: Georeference | None = None) -> Raster:
        self.described.add(href)
        full = self.images[href]
        levels = tuple(
            Level(width=one.shape[1], height=one.shape[0], block_width=self.block, block_height=self.block)
            for one in (full, *self.overviews.get(href, ()))
        )
        return Raster(
            href=href, crs=UTM, transform=self.transform, dtype=full.dtype, band_count=1, no_data=self.no_data,
            masked=self.masked, levels=levels,
        )  # fmt: skip

    def read(
        self, requests: Sequence[tuple[str, Sequence[Block]]], band: int = 0
    ) -> Iterator[tuple[str, Block, NDArray[np.generic]]]:
        for href, blocks in requests:
            for block in blocks:
                self.blocks[href, band, block] += 1
                image = (self.images[href], *self.overviews.get(href, ()))[block.level]
                padded = np.zeros((self.block, self.block), image.dtype)
                if isinstance(image, np.ma.MaskedArray):
                    padded = np.ma.MaskedArray(padded, np.ones(padded.shape, bool))
                top, left = block.row * self.block, block.column * self.block
                part = image[top : top + self.block, left : left + self.block]
                padded[: part.shape[0], : part.shape[1]] = part
                yield href, block, padded[: block.rows]
