"""The commands of `arpent sources`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from arpent.cli.guard import loading, settings_of
from arpent.cli.options import JsonOption

app = typer.Typer(help="Archives: how their hosts and buckets are accessed.", no_args_is_help=True)


@app.command("list")
def sources_list(as_json: JsonOption = False) -> None:
    """List the sources of the settings and of the archives that they name, without secrets."""
    with loading():
        from arpent.cli.sources.checks import source_lines

    lines = source_lines(settings_of())
    typer.echo(json.dumps({"data": lines}) if as_json else "\n".join(f"{name}\t{what}" for name, what in lines.items()))


@app.command("check")
def sources_check(
    collection: Annotated[str | None, typer.Option(help="Collection to search for; default: any known.")] = None,
    at: Annotated[str | None, typer.Option(help="Longitude and latitude, as 11.35,46.5.")] = None,
    start: Annotated[str, typer.Option("--from", help="ISO instant.")] = "2024-06-01T00:00:00Z",
    end: Annotated[str, typer.Option("--to", help="ISO instant.")] = "2024-08-01T00:00:00Z",
    as_json: JsonOption = False,
) -> None:
    """Try each catalogue (a search, one header, one block) and each source (its keys), and say what is missing."""
    with loading():
        from arpent.cli.sources.checks import ItemSearch, access_checks

    well = True
    for check in access_checks(settings_of(), ItemSearch.of(collection, at, start, end)):
        well &= check.well
        typer.echo(check.as_json if as_json else check.line)
    if not well:
        raise typer.Exit(1)
