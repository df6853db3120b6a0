"""The commands of `arpent catalog` and their options."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated

import typer

from arpent.adapters.objects.partial_files import write_whole
from arpent.cli.guard import check_target
from arpent.cli.options import JsonOption
from arpent.domain.errors import InvalidRequest

app = typer.Typer(help="Make a catalogue from an index of files.", no_args_is_help=True)
YEARS = range(1900, 2201)


@app.command("from-index")
def from_index(
    index: Annotated[
        Path, typer.Argument(help="AlphaEarth's aef_index, .parquet or .csv.", exists=True, dir_okay=False)
    ],
    to: Annotated[Path, typer.Option("--to", help="File for the STAC items; its folder is then a catalogue.")],
    bbox: Annotated[str | None, typer.Option(help="West, south, east, north in degrees: 13.5,45.4,16.6,46.9")] = None,
    years: Annotated[str | None, typer.Option(help="Years, separated by commas: 2023,2024")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write STAC items for the files of AlphaEarth's index, so that the collection `alphaearth` finds them."""
    from arpent.adapters.formats.embedding_index import items_of_index

    check_target(to, "--to")
    items = list(items_of_index(index, _box(bbox), _years(years)))
    if not items:
        raise InvalidRequest(f"{index} has no file there: widen --bbox, or choose other --years")
    write_whole(to, json.dumps({"type": "FeatureCollection", "features": items}))
    if as_json:
        typer.echo(json.dumps({"file": str(to), "items": len(items)}))
        return
    typer.echo(f'{to}: {len(items)} items. Set ARPENT_CATALOGS=\'{{"alphaearth": "{to.absolute()}"}}\'')


def _box(text: str | None) -> tuple[float, float, float, float] | None:
    if text is None:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise InvalidRequest("--bbox must be four numbers, separated by commas") from None
    if not all(map(math.isfinite, (west, south, east, north))) or west > east or south > north:
        raise InvalidRequest("--bbox must be west, south, east, north in degrees")
    return west, south, east, north


def _years(text: str | None) -> frozenset[int]:
    try:
        years = frozenset(int(part) for part in text.split(",")) if text is not None else frozenset()
    except ValueError:
        raise InvalidRequest("--years must be years, separated by commas: 2023,2024") from None
    if not all(year in YEARS for year in years):
        raise InvalidRequest(f"--years must lie between {YEARS[0]} and {YEARS[-1]}")
    return years
