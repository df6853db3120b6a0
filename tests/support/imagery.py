"""For the oracle: items of a folder, and the pixel of an image under a point. Plain JSON, rasterio and pyproj."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from pyproj import Transformer
from shapely.geometry import shape

ASSETS = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir", "SCL": "scl"}


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One acquisition of one tile."""

    id: str
    when: datetime
    created: str
    cloud_cover: float
    footprint: shapely.Geometry
    """In EPSG:4326."""
    images: dict[str, Path]
    """Band → file."""
    offset: float
    """Added to a reflectance band's number so that 10 000 means 1."""


def scenes_of(folder: Path) -> list[Scene]:
    """Every acquisition once, in its highest processing."""
    newest: dict[str, tuple[int, Scene]] = {}
    for path in sorted(folder.rglob("*.json")):
        content = json.loads(path.read_text())
        if content.get("type") != "Feature":
            continue
        scene = _scene(content, path)
        acquisition, sequence = _split(scene.id)
        if acquisition not in newest or newest[acquisition][0] < sequence:
            newest[acquisition] = (sequence, scene)
    return [scene for _, scene in newest.values()]


def _split(scene_id: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.+)_(\d+)_L2A", scene_id)
    return (match[1], int(match[2])) if match else (scene_id, 0)


def _scene(content: dict[str, Any], path: Path) -> Scene:
    properties = content["properties"]
    return Scene(
        id=content["id"],
        when=datetime.fromisoformat(properties["datetime"]).astimezone(UTC),
        created=properties.get("created", ""),
        cloud_cover=properties["eo:cloud_cover"],
        footprint=shape(content["geometry"]),
        images={
            band: path.parent / content["assets"][key]["href"]
            for band, key in ASSETS.items()
            if key in content["assets"]
        },
        offset=0.0 if properties.get("earthsearch:boa_offset_applied", True) else -1000.0,
    )


@lru_cache(maxsize=512)
def _open(path: Path) -> tuple[NDArray[np.generic], Any, Any]:
    with rasterio.open(path) as image:
        return image.read(1), image.transform, image.crs.to_wkt()


@lru_cache(maxsize=64)
def change_of(source: str, target: str) -> Transformer:
    """From one CRS to another, x (longitude) first."""
    return Transformer.from_crs(source, target, always_xy=True)


def pixels_under(path: Path, xs: NDArray[np.float64], ys: NDArray[np.float64], crs: str) -> NDArray[np.float64]:
    """The digital number of the pixel that holds each point; 0 beyond the image."""
    pixels, transform, image_crs = _open(path)
    change = change_of(crs, image_crs)
    numbers = np.zeros(len(xs))
    for place, point in enumerate(zip(*change.transform(xs, ys), strict=True)):
        column = int(np.floor((point[0] - transform.c) / transform.a))
        row = int(np.floor((point[1] - transform.f) / transform.e))
        if 0 <= row < pixels.shape[0] and 0 <= column < pixels.shape[1]:
            numbers[place] = pixels[row, column]
    return numbers
