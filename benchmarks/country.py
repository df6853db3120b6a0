"""Country: makes synthetic data for the benchmarks: one MGRS-like tile on several dates, and parcels. The same seed
gives the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import Transformer

from arpent.domain.grid import MAXIMUM_SIDE
from arpent.landscape.archive import EPSG, Acquisition, write_acquisition

SEED = 20240612
WEST, NORTH, PIXEL = 499_980.0, 5_200_020.0, 10.0
VERSION = 4
"""Version of the imagery, to be increased when its bytes change."""
PARCELS = 5
"""Version of the parcels, to be increased when they change."""
START = datetime(2024, 4, 2, 10, 0, 31, tzinfo=UTC)
REVISIT = timedelta(days=5)
COMMUNE = 500
"""Pixels per side of a square that holds the parcels of one village."""
CLOUDS = (0.01, 0.25, 0.05, 0.59, 0.12, 0.02)
"""Cloud cover (as a share) of successive dates, repeated as often as needed."""
EDGES = (None, 0.76, None, None, 0.7, None)
"""Where the swath ends on successive dates, as a share of the tile's width; None: it covers the tile."""
MEDIAN_HECTARES, SPREAD = 1.7, 0.47
"""Parcel areas are log-normal: 1 % lie below 0.35 ha, 1 % above 8 ha."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Amounts of data for one size of the benchmarks."""

    side: int
    """Pixels per side of the tile."""
    dates: int
    """Number of acquisitions."""
    sparse: int
    """Number of parcels that lie in some of the imagery's blocks only."""
    dense: int
    """Number of parcels that lie in all blocks."""
    dense_dates: int
    """Number of acquisitions for which the dense parcels are computed."""
    many: int
    """Number of parcels in the case of very many, which touch and cover the tile."""
    regions: int
    """Number of overlapping districts."""
    cells: int
    """Number of touching districts."""
    season: int
    """Number of scenes in the one interval of a request with ORBIT."""


SIZES = {
    "T": Size(
        side=1024, dates=2, sparse=300, dense=600, dense_dates=1, many=900, regions=3, cells=2, season=4,
    ),
    "S": Size(
        side=5490, dates=3, sparse=5_000, dense=50_000, dense_dates=1, many=50_000, regions=50, cells=25, season=12,
    ),
    "M": Size(
        side=10980, dates=6, sparse=20_000, dense=200_000, dense_dates=2, many=700_000, regions=200, cells=100,
        season=30,
    ),
    "L": Size(
        side=10980, dates=12, sparse=20_000, dense=200_000, dense_dates=2, many=700_000, regions=200, cells=100,
        season=30,
    ),
}  # fmt: skip


def make(out: Path, name: str) -> Path:
    """The folder of a size, with `catalog/` and `buckets/results/`; made if it does not exist."""
    size = SIZES[name]
    folder = out / name
    stamp = folder / "made.json"
    wanted = {"version": VERSION, "seed": SEED, "side": size.side, "dates": size.dates}
    if stamp.exists() and json.loads(stamp.read_text()) == wanted:
        return folder
    (folder / "catalog").mkdir(parents=True, exist_ok=True)
    (folder / "buckets" / "results").mkdir(parents=True, exist_ok=True)
    ground = _ground(np.random.default_rng((SEED, 0)), size.side)
    for number in range(size.dates):
        print(f"  making date {number + 1} of {size.dates} ...", flush=True)
        _date(folder / "catalog", ground, number)
    stamp.write_text(json.dumps(wanted) + "\n")
    return folder


def season(folder: Path, count: int) -> Path:
    """A catalogue of `count` scenes, one every REVISIT, made if it does not exist. The dates' images are repeated, as
    hard links, so that each header is read, while the system has most bytes in its cache."""
    catalog = folder / f"season-{count}"
    scenes = sorted((folder / "catalog").iterdir())
    for number in range(count):
        source, instant = scenes[number % len(scenes)], day(number)
        name = f"S2A_33TWM_{instant:%Y%m%d}_0_L2A"
        place = catalog / name
        place.mkdir(parents=True, exist_ok=True)
        item = json.loads((source / f"{source.name}.json").read_text())
        item["id"] = name
        item["properties"]["datetime"] = item["properties"]["created"] = f"{instant:%Y-%m-%dT%H:%M:%SZ}"
        item["properties"]["s2:datatake_id"] = f"GS2A_{instant:%Y%m%dT%H%M%S}_{number:06d}_N05.00"
        (place / f"{name}.json").write_text(json.dumps(item) + "\n")
        for image in source.glob("*.tif"):
            link = place / image.name
            if not (link.exists() and link.samefile(image)):
                link.unlink(missing_ok=True)
                link.hardlink_to(image)
    return catalog


def day(number: int) -> datetime:
    """Time of an acquisition, by its number."""
    return START + REVISIT * number


# ---- images


def _noise(random: np.random.Generator, side: int, cell: int) -> NDArray[np.float32]:
    """(side, side): random numbers of mean 0 and deviation 1 every `cell` pixels, interpolated linearly in between."""
    count = side // cell + 2
    coarse = random.standard_normal((count, count), dtype=np.float32)
    place = np.arange(side, dtype=np.float32) / cell
    index = place.astype(np.intp)
    share = (place - index).astype(np.float32)
    wide = coarse[:, index] + (coarse[:, index + 1] - coarse[:, index]) * share
    smooth = wide[index + 1] - wide[index]
    smooth *= share[:, None]
    smooth += wide[index]
    return smooth


def _ground(random: np.random.Generator, side: int) -> NDArray[np.float32]:
    """(side, side): share of green vegetation, 0 to 1, in regions, and in fields of about 130 m that differ from their
    neighbours."""
    field = random.random((side // 13 + 2, side // 13 + 2), dtype=np.float32)
    rows = np.clip(np.arange(side) // 13 + (np.arange(side) // 170) % 2, 0, len(field) - 1)
    green = field[rows][:, rows]
    green *= np.float32(0.6)
    green += np.float32(0.2) + np.float32(0.1) * _noise(random, side, 400)
    return np.clip(green, 0, 1, out=green)


def _date(catalog: Path, ground: NDArray[np.float32], number: int) -> None:
    random = np.random.default_rng((SEED, 1, number))
    side = len(ground)
    share, edge = CLOUDS[number % len(CLOUDS)], EDGES[number % len(EDGES)]
    sky = _noise(random, side, 300) + np.float32(0.5) * _noise(random, side, 70)
    threshold = np.quantile(sky[::16, ::16], 1 - share)
    cloud = np.clip((sky - np.float32(threshold)) * np.float32(3), 0, 1)
    del sky
    season = np.float32(0.5 + 0.5 * np.sin(number / 3))
    texture = _noise(random, side, 6)
    outside = np.zeros((side, side), bool)
    if edge is not None:
        ends = side * (edge + 0.08 * np.arange(side) / side)
        outside = np.arange(side)[None, :] >= ends[:, None]
    numbers = {}
    for band, (bare, lush, fine, grain) in {"B04": (1900, 450, 40, 16), "B08": (2300, 4300, 120, 70)}.items():
        seen = np.float32(bare) + np.float32(lush - bare) * season * ground
        seen += np.float32(fine) * texture
        seen += cloud * (np.float32(7600) - seen)
        seen += np.float32(grain) * random.standard_normal((side, side), dtype=np.float32)
        pixels = np.clip(seen, 1, 15000).astype(np.uint16)
        pixels[outside] = 0
        numbers[band] = pixels
    classes = _classes(random, ground, cloud, outside)
    transform = Affine(PIXEL, 0, WEST, 0, -PIXEL, NORTH)
    acquisition = Acquisition(
        tile="33TWM", instant=day(number), orbit=122, platform="sentinel-2a", transform=transform,
        footprint=_footprint(side, edge),
    )  # fmt: skip
    write_acquisition(catalog, acquisition, numbers, classes, blocks=(1024, 512))


def _classes(
    random: np.random.Generator, ground: NDArray[np.float32], cloud: NDArray[np.float32], outside: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Scene classification at 20 m: vegetation, bare soil, thin and thick clouds, shadows, and some speckle."""
    sky = cloud[::2, ::2]
    classes = np.where(ground[::2, ::2] > 0.45, 4, 5).astype(np.uint8)
    speckle = random.random(classes.shape, dtype=np.float32)
    classes[speckle < 0.02] = 7
    classes[np.roll(sky, (9, -14), (0, 1)) > 0.4] = 3
    classes[sky > 0.05] = 8
    classes[sky > 0.5] = 9
    classes[outside[::2, ::2]] = 0
    return classes


def _footprint(side: int, edge: float | None) -> shapely.Polygon:
    top, bottom = (1.0, 1.0) if edge is None else (edge, edge + 0.08)
    extent = side * PIXEL
    south = NORTH - extent
    return shapely.Polygon(
        [(WEST, NORTH), (WEST + top * extent, NORTH), (WEST + bottom * extent, south), (WEST, south)]
    )


# ---- parcels


def parcels(folder: Path, name: str, count: int, side: int, crs: str, communes: int | None = None) -> Path:
    """A GeoPackage of `count` touching parcels in `communes` squares of COMMUNE pixels (None: in all of the tile)."""
    wanted = {"version": PARCELS, "seed": SEED, "count": count, "side": side, "crs": crs, "communes": communes}
    return _layer(folder, name, wanted, lambda: _shapes(count, side, communes))


def districts(folder: Path, name: str, count: int, side: int, touching: bool) -> Path:
    """A GeoPackage of `count` districts: touching cells that fill the tile, or overlapping regions of 5,000 to 20,000
    ha."""
    wanted = {"version": PARCELS, "seed": SEED, "count": count, "side": side, "crs": f"EPSG:{EPSG}", "kind": name}
    return _layer(folder, name, wanted, lambda: _cells(count, side) if touching else _regions(count, side))


def squares(folder: Path, name: str, count: int, side: int, across: int) -> Path:
    """A GeoPackage of `count` overlapping squares with sides of `across` pixels."""
    wanted = {"version": PARCELS, "seed": SEED, "count": count, "side": side, "crs": f"EPSG:{EPSG}", "across": across}
    return _layer(folder, name, wanted, lambda: _squares(count, side, across))


def _layer(folder: Path, name: str, wanted: dict[str, Any], shapes_of: Callable[[], NDArray[np.object_]]) -> Path:
    """The GeoPackage of these shapes; made if it does not exist, or its note differs from `wanted`."""
    path = folder / "buckets" / "results" / f"{name}.gpkg"
    note = path.with_suffix(".json")
    if path.exists() and note.exists() and json.loads(note.read_text()) == wanted:
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    shapes, crs = shapes_of(), wanted["crs"]
    if crs != f"EPSG:{EPSG}":
        x, y = Transformer.from_crs(EPSG, crs, always_xy=True).transform(*shapely.get_coordinates(shapes).T)
        shapes = shapely.set_coordinates(shapes, np.column_stack((x, y)))
    pyogrio.raw.write(
        path, geometry=shapely.to_wkb(shapes),
        field_data=[np.array([f"parcel-{k}" for k in range(len(shapes))], object)],
        fields=["identifier"], layer="parcels", crs=crs, geometry_type="MultiPolygon", promote_to_multi=True,
        driver="GPKG", layer_options={"FID": "id"},
    )  # fmt: skip
    note.write_text(json.dumps(wanted) + "\n")
    return path


def _regions(count: int, side: int) -> NDArray[np.object_]:
    """(count,): irregular polygons with 40 corners, which are smaller in a small tile."""
    random, extent = np.random.default_rng((SEED, 3)), side * PIXEL
    radius = np.minimum(np.sqrt(random.uniform(5e7, 2e8, (count, 1)) / np.pi), extent / 5)
    centre = radius * 1.2 + random.uniform(0, 1, (count, 2)) * (extent - radius * 2.4) + (WEST, NORTH - extent)
    angles = np.sort(random.uniform(0, 2 * np.pi, (count, 40)))
    reach = radius * random.uniform(0.8, 1.2, (count, 40))
    corners = np.stack((reach * np.cos(angles), reach * np.sin(angles)), axis=2)
    return np.asarray(shapely.polygons(centre[:, np.newaxis] + corners), object)


def _squares(count: int, side: int, across: int) -> NDArray[np.object_]:
    corners = np.random.default_rng((SEED, 5)).integers(0, side - across, (count, 2), endpoint=True)
    west, north = WEST + corners[:, 0] * PIXEL, NORTH - corners[:, 1] * PIXEL
    extent = across * PIXEL
    return np.asarray(shapely.box(west, north - extent, west + extent, north), object)


def _cells(count: int, side: int) -> NDArray[np.object_]:
    """(count,): Voronoi cells of random points, which are moved to the centroids until no cell exceeds MAXIMUM_SIDE."""
    extent = side * PIXEL
    points = np.random.default_rng((SEED, 4)).uniform(0, extent, (count, 2)) + np.array([WEST, NORTH - extent])
    tile = shapely.box(WEST, NORTH - extent, WEST + extent, NORTH)
    for _ in range(100):
        cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(points), extend_to=tile))
        shapes = np.asarray(shapely.intersection(cells, tile), object)
        west, south, east, north = shapely.bounds(shapes).T
        if max((east - west).max(), (north - south).max()) < (MAXIMUM_SIDE - 1) * PIXEL:
            return shapes
        points = shapely.get_coordinates(shapely.centroid(shapes))
    raise ValueError(f"{count} cells are too few for a tile of {side} pixels")


def _shapes(count: int, side: int, communes: int | None) -> NDArray[np.object_]:
    """(count,): parcels in villages, which are lattices of lines at log-normal distances, with bent sides. Neighbours
    share every vertex."""
    random = np.random.default_rng((SEED, 2))
    across = side // COMMUNE
    places = random.permutation(across * across)[: communes or across * across]
    per = -(-count // len(places))
    cells = int(np.ceil(np.sqrt(per)))
    room = COMMUNE * PIXEL * 0.98
    found = []
    for place in sorted(places.tolist()):
        row, column = divmod(place, across)
        corner = np.array([WEST + column * COMMUNE * PIXEL, NORTH - (row + 1) * COMMUNE * PIXEL])
        found.append(_village(random, corner, cells, room)[:per])
    return np.concatenate(found)[:count]


def _village(random: np.random.Generator, corner: NDArray[np.float64], cells: int, room: float) -> NDArray[np.object_]:
    """(cells²,): the parcels of one village, with 16 corners each."""
    step = np.sqrt(MEDIAN_HECTARES * 10_000) * np.exp(random.normal(0, SPREAD, (2, cells)))
    lines = np.concatenate((np.zeros((2, 1)), np.cumsum(step, axis=1)), axis=1)
    lines *= np.minimum(1.0, room / lines[:, -1:])
    # For four vertices per side, make a finer lattice, move each point a little, and use only those on the lines.
    fine = np.stack([np.interp(np.arange(4 * cells + 1) / 4, np.arange(cells + 1), line) for line in lines])
    x, y = np.meshgrid(fine[0], fine[1])
    least = np.minimum(_narrower(fine[0])[None, :], _narrower(fine[1])[:, None])
    x = corner[0] + x + random.uniform(-0.3, 0.3, x.shape) * least
    y = corner[1] + y + random.uniform(-0.3, 0.3, y.shape) * least
    i, j = (4 * index for index in np.divmod(np.arange(cells * cells), cells))
    along = np.concatenate((np.arange(4), np.full(4, 4), np.arange(4, 0, -1), np.zeros(4), [0])).astype(int)
    down = np.concatenate((np.zeros(4), np.arange(4), np.full(4, 4), np.arange(4, 0, -1), [0])).astype(int)
    ring = np.stack((x[i[:, None] + down, j[:, None] + along], y[i[:, None] + down, j[:, None] + along]), axis=-1)
    return np.asarray(shapely.polygons(ring), object)


def _narrower(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each point to its nearer neighbour: if points move by less than half of it, no two sides cross."""
    gaps = np.diff(line)
    return np.minimum(np.append(gaps[:1], gaps), np.append(gaps, gaps[-1:]))
