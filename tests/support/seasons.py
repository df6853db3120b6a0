"""A second made-up season, with what catalogues do: offsets not yet taken off, footprints narrower than the image."""

from __future__ import annotations

import json
from pathlib import Path

import shapely

from tests.support.world import make_imagery

RAW = "20230608"
"""The day whose numbers still hold the baseline's offset of 1000."""
NARROW = {"S2A_33TYM_20230603_0_L2A": 0.5, "S2A_33TXM_20230618_0_L2A": 0.75, "S2A_33TYM_20230802_0_L2A": 0.6}
"""Item → share of its width, from the east, that its footprint tells; its pixels reach further."""


def make_season(folder: Path) -> Path:
    """As `make_imagery`, with those items changed."""
    make_imagery(folder)
    for path in folder.rglob("*.json"):
        item = json.loads(path.read_text())
        if RAW in item["id"]:
            item["properties"]["earthsearch:boa_offset_applied"] = False
        share = NARROW.get(item["id"])
        if share is not None:
            whole = shapely.from_geojson(json.dumps(item["geometry"]))
            west, south, east, north = whole.bounds
            rest = shapely.intersection(whole, shapely.box(east - share * (east - west), south, east, north))
            item |= {"geometry": json.loads(shapely.to_geojson(rest)), "bbox": list(rest.bounds)}
        path.write_text(json.dumps(item))
    return folder
