"""Random worlds: overlapping images of every make, items in any order, polygons of every kind; each from a number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.enums import Resampling as Overview
from rasterio.warp import transform_geom

from arpent.domain.feature import Features
from arpent.domain.grid import Grids, Resolution, Samples, Size
from arpent.domain.imagery.collection import Collection
from arpent.domain.imagery.item import Item
from arpent.domain.request import MosaickingOrder, Resampling, Source
from arpent.raster.conversion import BandRequest
from arpent.raster.mosaicking_order import arrange, orbits
from arpent.raster.sampling_plan import SamplingPlan
from arpent.zonal.pixel_coverage import pixel_coverage
from tests.support.cogs import DN, EVERYWHERE, REFLECTANCE, band, collection, item

LEFT, TOP, EXTENT = 500_000.0, 5_100_000.0, 1_600.0
"""Where it is, in EPSG:32633; metres."""
SIZES = {"A": 10.0, "B": 20.0, "S": 10.0}
"""Band → metres per pixel, about."""
PACKINGS: tuple[dict[str, Any], ...] = (
    {"compress": "deflate", "predictor": 2}, {"compress": "deflate", "predictor": 2}, {"compress": "deflate"},
    {"compress": "zstd", "predictor": 2}, {"compress": "lzw", "predictor": 2}, {},
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class World:
    """What one mosaic needs."""

    groups: tuple[tuple[Item, ...], ...]
    """Items of each scene, in mosaicking order."""
    wants: tuple[BandRequest, ...]
    sampling: SamplingPlan
    source: Source
    collection: Collection
    samples: Samples
    grids: Grids


def make_world(seed: int, folder: Path) -> World:
    """The random world of that seed; its images are written into the folder."""
    random = np.random.default_rng(seed)
    bands = (band("A", units=(REFLECTANCE, DN), harmonized=True), band("B"), band("S", categorical=True, units=(DN,)))
    kinds = {"A": str(random.choice(["uint16", "uint16", "float32"])), "B": "uint16", "S": "uint8"}
    items = [_item(random, seed, number, kinds, folder) for number in range(random.integers(2, 6))]
    chosen = [one for one in bands if one.name == "A" or random.random() < 0.6]
    order = MosaickingOrder(random.choice(list(MosaickingOrder)))
    arranged = arrange(items, order)
    grouping = random.choice(["SIMPLE", "ORBIT", "TILE"])
    groups = {"SIMPLE": (arranged,), "ORBIT": orbits(arranged), "TILE": tuple((one,) for one in arranged)}[grouping]
    features, grids = _features(random)
    samples = pixel_coverage(features, grids)
    return World(
        groups=groups,
        wants=tuple(BandRequest(band=one, unit=one.units[int(random.integers(len(one.units)))]) for one in chosen),
        sampling=SamplingPlan(crs=features.crs, grids=grids, samples=samples, geometries=features.geometries),
        source=Source(
            id="0", collection="made-up", mosaicking_order=order, harmonize_values=bool(random.random() < 0.5),
            upsampling=_resampling(random), downsampling=_resampling(random),
        ),
        collection=collection(*bands),
        samples=samples,
        grids=grids,
    )  # fmt: skip


def _resampling(random: np.random.Generator) -> Resampling:
    return Resampling(random.choice([*Resampling, Resampling.NEAREST]))


# ---- images


def _item(random: np.random.Generator, seed: int, number: int, kinds: dict[str, str], folder: Path) -> Item:
    """All bands of an item cover the same ground; two of three items overlap most of the world."""
    size = random.uniform(0.5, 1.2, 2) * EXTENT
    corner = LEFT + random.uniform(-0.3, 0.4) * EXTENT, TOP + random.uniform(-0.4, 0.3) * EXTENT
    crs, turn = str(random.choice(["EPSG:32633"] * 4 + ["EPSG:32632", "EPSG:4326"])), random.random() < 0.15
    names = [name for name in kinds if name == "A" or random.random() < 0.9]
    hrefs = {}
    for name in names:
        transform, pixel = _transform(crs, corner, SIZES[name], 7.0 if turn else 0.0)
        shape = tuple(max(3, int(length / pixel)) for length in size[::-1])
        pixels = _pixels(random, (shape[0], shape[1]), kinds[name])
        hrefs[name] = _write(random, folder / f"{seed}-{number}-{name}.tif", pixels, transform, crs)
    footprint = shapely.box(corner[0], corner[1] - size[1], corner[0] + size[0], corner[1])
    degrees = shapely.geometry.shape(transform_geom("EPSG:32633", "EPSG:4326", shapely.geometry.mapping(footprint)))
    return item(
        f"i{number}", hrefs, day=int(random.integers(1, 4)), harmonization=float(random.choice([0.0, -1000.0])),
        footprint=degrees if random.random() < 0.6 else EVERYWHERE,
        cloud_cover=None if random.random() < 0.2 else float(random.integers(0, 100)),
    )  # fmt: skip


def _transform(crs: str, corner: tuple[float, float], pixel: float, turn: float) -> tuple[Affine, float]:
    """Pixel → CRS, with the corner there; metres per pixel, about."""
    if crs == "EPSG:32633":
        return Affine(pixel, 0, corner[0], 0, -pixel, corner[1]) @ Affine.rotation(turn), pixel
    x, y = Transformer.from_crs("EPSG:32633", crs, always_xy=True).transform(*corner)
    step = pixel / 100_000 if crs == "EPSG:4326" else pixel
    return Affine(step, 0, x, 0, -step, y) @ Affine.rotation(turn), pixel


def _pixels(random: np.random.Generator, shape: tuple[int, int], kind: str) -> NDArray[Any]:
    """Noise with holes: rectangles of no data, and single pixels."""
    pixels = random.integers(1, 12 if kind == "uint8" else 9000, shape).astype(kind)
    hole: float = np.nan if kind == "float32" else 0
    for _ in range(random.integers(0, 4)):
        top, left = (int(random.integers(0, side)) for side in shape)
        tall, wide = (int(random.integers(1, side + 1)) for side in shape)
        pixels[top : top + tall, left : left + wide] = hole
    pixels[random.random(shape) < random.choice([0.0, 0.02])] = hole
    return pixels


def _write(random: np.random.Generator, path: Path, pixels: NDArray[Any], transform: Affine, crs: str) -> str:
    """Tiles or strips, packed one way or other, with overviews or without."""
    tile, strip = int(random.choice([16, 32, 64, 128])), int(random.integers(1, 50))
    blocks = (
        {"tiled": True, "blockxsize": tile, "blockysize": tile} if random.random() < 0.75 else {"blockysize": strip}
    )
    packing = dict(PACKINGS[int(random.integers(len(PACKINGS)))])
    if pixels.dtype.kind == "f" and "predictor" in packing:
        packing["predictor"] = int(random.choice([2, 3]))
    shape = {"count": 1, "height": pixels.shape[0], "width": pixels.shape[1], "dtype": pixels.dtype.name}
    place = {"driver": "GTiff", "crs": crs, "transform": transform, "nodata": 0}
    with rasterio.open(path, "w", **shape, **place, **blocks, **packing) as image:
        image.write(pixels, 1)
        if random.random() < 0.4:
            image.build_overviews([2, 4], Overview.nearest)
    return str(path)


# ---- features


def _features(random: np.random.Generator) -> tuple[Features, Grids]:
    count, epsg = int(random.integers(1, 25)), int(random.choice([32633, 32633, 3035, 4326]))
    shapes = np.array([_shape(random) for _ in range(count)], object)
    change = Transformer.from_crs(32633, epsg, always_xy=True).transform
    shapes = shapely.transform(shapes, lambda xy: np.column_stack(change(xy[:, 0], xy[:, 1])))
    features = Features(
        crs=CRS.from_epsg(epsg), ids=np.arange(count), identifiers=(None,) * count, geometries=np.asarray(shapes)
    )
    if random.random() < 0.2:
        sampling: Resolution | Size = Size(width=int(random.integers(1, 40)), height=int(random.integers(1, 40)))
    else:
        scale = 1e-5 if epsg == 4326 else 1.0
        sampling = Resolution(x=scale * random.uniform(3, 50), y=scale * random.uniform(3, 50))
    return features, Grids.over(features.bounds, sampling)


def _shape(random: np.random.Generator) -> shapely.Geometry:
    """A box, a star, a ring, several of those, a sliver or next to nothing; some of it beyond the images."""
    x, y = LEFT + random.uniform(-0.4, 1.3) * EXTENT, TOP - random.uniform(-0.4, 1.3) * EXTENT
    wide, tall = random.uniform(1, 600, 2)
    kind = random.integers(6)
    box = shapely.box(x, y, x + wide, y + tall)
    if kind == 0:
        return box
    if kind == 1:
        return shapely.box(x, y, x + wide, y + 0.3)
    if kind == 2:
        return shapely.difference(box, box.centroid.buffer(min(wide, tall) / 3))
    if kind == 3:
        return shapely.union_all([box, shapely.box(x + 900, y - 70, x + 950, y)])
    if kind == 4:
        return shapely.box(x, y, x + 1e-6, y + 1e-6)
    angles = np.sort(random.uniform(0, 2 * np.pi, int(random.integers(3, 40))))
    reach = random.uniform(5, 400, len(angles))
    star = shapely.Polygon(np.column_stack((x + reach * np.cos(angles), y + reach * np.sin(angles))))
    return star if star.is_valid else box


def worlds(seeds: Sequence[int], folder: Path) -> Iterator[tuple[int, World]]:
    """Yield worlds; the images of one are deleted before the next is made."""
    for seed in seeds:
        home = folder / str(seed)
        home.mkdir()
        yield seed, make_world(seed, home)
        for path in home.iterdir():
            path.unlink()
