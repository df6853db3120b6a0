"""The commands of `arpent script` and their options."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from arpent.adapters.objects.partial_files import write_whole
from arpent.cli.guard import check_target, loading, read_text, settings_of
from arpent.cli.options import JsonOption
from arpent.domain.errors import InvalidRequest

app = typer.Typer(help="Write, check and run evalscripts.", no_args_is_help=True)

FileArgument = Annotated[Path, typer.Argument(help="An evalscript.", exists=True, dir_okay=False)]


@app.command("new")
def new_script(
    index: Annotated[str, typer.Option(help="One or more: ndvi,ndwi,evi; see `arpent script list`.")],
    collection: Annotated[str, typer.Option(help="See `arpent collections`.")] = "sentinel-2-l2a",
    mask: Annotated[str | None, typer.Option(help="Mask clouds: scl, cld, qa_pixel, fmask.")] = None,
    composite: Annotated[
        str | None, typer.Option(help="max, min, mean, median of an interval's acquisitions; default: the first.")
    ] = None,
    constant: Annotated[list[str] | None, typer.Option(help="A constant of a formula, L=0.5; may be repeated.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write this file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a commented evalscript of spectral indices, to standard output by default."""
    with loading():
        from arpent import worker
        from arpent.api.ready_scripts import new_text

    check_target(output, "--output")
    text = new_text(worker.collections(settings_of()), index, collection, mask, composite, constant or [])
    if output is not None:
        write_whole(output, text)
    if as_json:
        _print([json.dumps({"evalscript": text, "file": None if output is None else str(output)})])
    elif output is None:
        typer.echo(text, nl=False)
    else:
        _print([str(output)])


@app.command("list")
def list_indices(
    collection: Annotated[str | None, typer.Option(help="Only indices that this collection has the bands for.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the spectral indices, cloud masks and composites that `arpent script new` knows."""
    with loading():
        from arpent import worker
        from arpent.api.ready_scripts import list_fields, list_lines

    found = list_fields(worker.collections(settings_of()), collection)
    _print([json.dumps(found)] if as_json else list_lines(found))


@app.command()
def check(
    file: FileArgument,
    collection: Annotated[
        list[str] | None,
        typer.Option(help="Collections of its inputs, in order, or datasource=collection; default: the best fit."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find errors in an evalscript without imagery, by reading it and by running it on a few made-up samples. Exit code
    1 if there are errors."""
    with loading():
        from arpent import worker
        from arpent.cli.script.check import inspect
        from arpent.cli.script.render import inspection_fields, inspection_lines

    settings, source = settings_of(), read_text(file, "The script")
    with worker.interpreters(settings, require_mask=False) as runtime:
        found = inspect(source, runtime, collection or [], worker.collections(settings))
    _print([json.dumps(inspection_fields(found, str(file)))] if as_json else inspection_lines(found, str(file), source))
    if found.refused:
        raise typer.Exit(1)


@app.command()
def run(
    file: FileArgument,
    on: Annotated[str, typer.Option("--on", help="Samples as JSON, a file of them, or a request's JSON file.")],
    feature: Annotated[int | None, typer.Option(help="With a request: primary key of the feature.")] = None,
    start: Annotated[
        str | None, typer.Option("--from", help="Start of an interval; default: the first with data.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run an evalscript on given samples, as the script sees them, or on a feature of a request in place of its
    script."""
    with loading():
        from arpent import worker
        from arpent.cli.script.render import feature_lines, run_fields, run_lines
        from arpent.cli.script.run import run_on_feature, run_on_samples

    settings, source = settings_of(), read_text(file, "The script")
    text, given = _given(on)
    if isinstance(given, dict) and "input" in given and "aggregation" in given:
        if feature is None:
            raise InvalidRequest("--on names a request; give --feature, the primary key of one of its features")
        found = run_on_feature(settings, source, text, feature, start)
        _print([json.dumps(found)] if as_json else feature_lines(found))
        failed = found.get("error") is not None
    else:
        with worker.interpreters(settings, require_mask=False) as runtime:
            done = run_on_samples(source, given, runtime)
        _print([json.dumps(run_fields(done))] if as_json else run_lines(done))
        failed = any(answer.error is not None for answer in done.answers)
    if failed:
        raise typer.Exit(1)


@app.command()
def sandbox(as_json: JsonOption = False) -> None:
    """Show how evalscripts are run on this machine: V8's version, system-call filter, limits. Exit code 2 if there is
    no sandbox."""
    with loading():
        from arpent import worker

    settings = settings_of()
    with worker.interpreters(settings) as runtime:
        about = runtime.about()
    fields = {
        "engine": f"V8 {about.engine}",
        "filtered": about.obstacle is None,
        "obstacle": about.obstacle,
        "secondsPerCall": settings.script_seconds,
        "heapMebibytes": settings.script_memory,
    }
    lines = [
        f"V8 {about.engine}",
        "system calls are filtered" if about.obstacle is None else f"NO system-call filter: {about.obstacle}",
        f"{settings.script_seconds:g} s for a call, {settings.script_memory} MiB of heap",
    ]
    _print([json.dumps(fields)] if as_json else lines)


def _given(on: str) -> tuple[str, object]:
    """The JSON given on the command line, or in the file that it names."""
    text = on
    if not on.lstrip().startswith(("{", "[")):
        if not os.path.isfile(on):  # this accepts a name of any length, which Path does not
            raise InvalidRequest(f"--on: {on!r:.60} is neither JSON nor a file")
        text = read_text(Path(on), "--on")
    try:
        return text, json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"--on is not valid JSON: {error}") from None


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        typer.echo(line)
