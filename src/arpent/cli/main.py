"""Main: every command with its options. What a command does is in the file named after it."""

from __future__ import annotations

import json
import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from arpent import __version__
from arpent.adapters.objects.partial_files import whole_file, write_whole
from arpent.cli.catalog.commands import app as catalog_app
from arpent.cli.clients import app as client_app
from arpent.cli.conformance.command import conformance
from arpent.cli.guard import (
    Guarded,
    check_target,
    interrupt_on_signals,
    loading,
    read_text,
    settings_of,
    stop_on_signals,
)
from arpent.cli.options import JsonOption
from arpent.cli.row_lines import all_well, row_lines
from arpent.cli.script.commands import app as script_app
from arpent.cli.sources.commands import app as sources_app
from arpent.domain.errors import InvalidRequest

app = typer.Typer(
    name="arpent",
    cls=Guarded,
    help="What did each of these fields look like, over time? Sentinel Hub's Batch Statistical API, on your machine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(client_app, name="client")
app.add_typer(sources_app, name="sources")
app.add_typer(script_app, name="script")
app.add_typer(catalog_app, name="catalog")
app.command()(conformance)

WITH_FAILURES = 3
"""Exit code of a job that is done although some of what was asked for failed."""
MOST_JOBS = 1_000_000
"""Maximum number of jobs of one list."""
WIDEST = 400
"""Width in columns of a table that is written to a pipe."""


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


SERVICES = ("serve", "work")
"""Commands that handle signals themselves."""


@app.callback()
def main(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What did each of these fields look like, over time? Sentinel Hub's Batch Statistical API, on your machine."""
    interrupt_on_signals(hang_up=context.invoked_subcommand not in SERVICES)


@app.command()
def serve() -> None:
    """Start the HTTP API and a runner. Settings come from ARPENT_* variables or arpent.toml."""
    with loading():
        from arpent.cli.serve import serve as serve_now

    serve_now(settings_of())


@app.command()
def work(
    executor: Annotated[str | None, typer.Option(help="processes, processes:N or dask://host:port.")] = None,
    attached: Annotated[bool, typer.Option(hidden=True, help="End when standard input closes.")] = False,
) -> None:
    """Start a runner in addition to other servers on the same database."""
    with loading():
        from arpent import worker
        from arpent.wiring import server

    settings = settings_of(executor)
    if not attached:
        worker.check_places(settings)
    stop = stop_on_signals()
    if attached:
        os.nice(worker.RUNNER_NICENESS)
        threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    server.work(settings, stop)


@app.command()
def run(
    request: Annotated[Path, typer.Argument(help="The request's JSON, as for the API.", exists=True, dir_okay=False)],
    executor: Annotated[str | None, typer.Option(help="processes, processes:N or inline.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run one request without a server, with a progress bar."""
    with loading():
        from arpent.cli.run import run as run_now

    outcome = run_now(settings_of(executor), read_text(request, "The request"), Console(stderr=True))
    typer.echo(
        json.dumps({name: value for name, value in outcome.items() if name != "finding_lines"})
        if as_json
        else f"{outcome['status']}: {outcome['features']} features in {outcome['output']}"
    )
    for line in (*row_lines(outcome["rows"]), *filter(None, [outcome.get("hint")]), *outcome["finding_lines"]):
        _tell(line)
    if outcome["failed"] or outcome["incomplete"] or not all_well(outcome["rows"]):
        raise typer.Exit(WITH_FAILURES)


@app.command()
def stats(  # noqa: PLR0913, PLR0917
    features: Annotated[Path, typer.Argument(help="GeoPackage, GeoJSON, Shapefile, FlatGeobuf, GeoParquet …")],
    catalog: Annotated[str | None, typer.Option(help="Folder of STAC items, a STAC API URL, or earth-search.")] = None,
    start: Annotated[str, typer.Option("--from", help="First day, 2023-04-01, or an ISO instant.")] = "",
    end: Annotated[str, typer.Option("--to", help="The day after the last, or an ISO instant.")] = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="*.parquet, .csv, .gpkg, .geojson, .fgb")
    ] = None,
    index: Annotated[str | None, typer.Option(help="One or more: ndvi,evi; see `arpent script list`.")] = None,
    script: Annotated[Path | None, typer.Option(help="An evalscript instead of an index.")] = None,
    mask_clouds: Annotated[bool, typer.Option("--mask-clouds", help="Mask cloudy samples (for an index).")] = False,
    every: Annotated[str, typer.Option(help="Length of an interval, ISO 8601: P10D, P1M.")] = "P10D",
    resolution: Annotated[str, typer.Option(help="Metres on the ground: 10m.")] = "10m",
    collection: Annotated[str, typer.Option(help="See `arpent collections`.")] = "sentinel-2-l2a",
    order: Annotated[str, typer.Option(help="mostRecent, leastRecent or leastCC wins a pixel.")] = "mostRecent",
    max_cloud_coverage: Annotated[float | None, typer.Option(min=0, max=100, help="Percent of a tile.")] = None,
    percentiles: Annotated[str | None, typer.Option(help="5,50,95: one column each.")] = None,
    pixels: Annotated[
        str, typer.Option(help="service, centre, touched, weighted; inner:10,nearest,flagged")
    ] = "service",
    more: Annotated[str | None, typer.Option(help="sum,count,variance,median,mode,weightedMean,cloudyShare")] = None,
    shares: Annotated[str | None, typer.Option(help="vegetation=4,soil=5: shares of classes as columns.")] = None,
    columns: Annotated[str | None, typer.Option(help="crop,owner: columns to keep; default: all.")] = None,
    id: Annotated[str | None, typer.Option("--id", help="Column that identifies the features.")] = None,  # noqa: A002
    wide: Annotated[bool, typer.Option("--wide", help="A row per feature, a column (mean) per date.")] = False,
    executor: Annotated[str | None, typer.Option(help="processes, processes:N or inline; default: by size.")] = None,
    update: Annotated[Path | None, typer.Option(help="Earlier table: compute only what is new or changed.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compute a table of statistics for a file of fields: no JSON, no server."""
    catalog = settings_of(executor=executor, catalog=catalog).catalog
    output = output or update
    given = {"--catalog": catalog, "--from": start, "--to": end, "--output": output}
    if missing := [name for name, value in given.items() if not value]:
        raise InvalidRequest(f"{', '.join(missing)} is missing: see `arpent stats --help`")
    assert catalog is not None
    assert output is not None
    check_target(output, "--output")
    with loading():
        from arpent.cli import stats as command

    options = command.StatsOptions(
        features=features, catalog=catalog, output=output, start=start, end=end, every=every,
        resolution=resolution, index=index, script=script, mask_clouds=mask_clouds, collection=collection, order=order,
        max_cloud_coverage=max_cloud_coverage, percentiles=percentiles, pixels=pixels, more=more, shares=shares,
        columns=columns, id=id, wide=wide, executor=executor, update=update,
    )  # fmt: skip
    outcome = command.stats(options, Console(stderr=True))
    typer.echo(json.dumps(outcome) if as_json else "\n".join(outcome["files"]))
    if not all_well(outcome["rows"]):
        raise typer.Exit(WITH_FAILURES)


@app.command()
def explain(
    request: Annotated[Path, typer.Argument(help="The request's JSON, as for the API.", exists=True, dir_okay=False)],
    feature: Annotated[int, typer.Option(help="Primary key of the feature.")],
    start: Annotated[
        str | None, typer.Option("--from", help="Start of an interval; default: the first with data.")
    ] = None,
    png: Annotated[Path | None, typer.Option(help="Draw imagery, mask and outputs into this file.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show how a feature's numbers were computed: grid, images, every sample; as JSON, or as a picture."""
    with loading():
        from arpent.cli.explain import explained

    check_target(png, "--png")
    found = explained(settings_of(), read_text(request, "The request"), feature, start, draw=png is not None)
    if png is None:
        typer.echo(found)
    else:
        write_whole(png, found)
        typer.echo(json.dumps({"file": str(png)}) if as_json else str(png))


@app.command()
def results(
    url: Annotated[str, typer.Argument(help="The job's output: a folder, s3://bucket/prefix or gs://bucket/prefix.")],
    parquet: Annotated[Path | None, typer.Option(help="Write a Parquet file.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a CSV file.")] = None,
    unfold: Annotated[
        bool, typer.Option("--unfold", help="Write the JSON files of a job that only has a table.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object: rows and files.")] = False,
) -> None:
    """Make one table from a job's result files, arpent's or the real service's. Prints CSV by default."""
    with loading():
        from arpent.adapters.formats.parquet_rows import write_csv, write_parquet
        from arpent.cli.results import collect
        from arpent.cli.results import unfold as unfold_now

    if unfold:
        if parquet is not None or csv is not None:
            raise InvalidRequest("--unfold writes files next to the table; leave out --parquet and --csv")
        written = unfold_now(settings_of(), url, _tell)
        typer.echo(json.dumps({"files": written}) if as_json else f"{written} files")
        return
    check_target(parquet, "--parquet")
    check_target(csv, "--csv")
    table = collect(settings_of(), url, _tell)
    for path, write in ((parquet, write_parquet), (csv, write_csv)):
        if path is not None:
            with whole_file(path) as part:
                write(table, part)
    files = [str(path) for path in (parquet, csv) if path is not None]
    if as_json:
        typer.echo(json.dumps({"rows": len(table), "files": files}))
    elif files:
        typer.echo(f"{len(table)} rows: {', '.join(files)}")
    else:
        write_csv(table, sys.stdout.buffer)


@app.command()
def jobs(
    owner: Annotated[str | None, typer.Option(help="Only those of this client id.")] = None,
    count: Annotated[int, typer.Option(min=1, max=MOST_JOBS, help="Maximum number of requests to list.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the requests in the database, newest first."""
    with loading():
        from arpent.cli import jobs as watching

    if as_json:
        typer.echo(json.dumps({"data": list(watching.entries(settings_of(), owner, count))}))
    else:
        # In a pipe, lines may be long, so that an id is never cut.
        width = None if sys.stdout.isatty() else WIDEST
        Console(width=width).print(watching.job_table(settings_of(), owner, count, datetime.now(UTC)), crop=False)


@app.command()
def status(
    job: Annotated[str, typer.Argument(help="The request's id, or its beginning.")],
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until it ends.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object; with --watch one a second.")] = False,
) -> None:
    """Show the progress of a request."""
    with loading():
        from arpent.cli import jobs as watching

    lines = watching.observe(settings_of(), job, watch=watch)
    last: dict[str, Any] = {}
    if not as_json:
        last = watching.show(lines, Console())
    else:
        for last in lines:
            typer.echo(json.dumps(last))
    _end_of_job(last)


@app.command()
def demo(
    catalog: Annotated[str | None, typer.Option(help="Folder of STAC items, a STAC API URL, or earth-search.")] = None,
    features: Annotated[Path | None, typer.Option(help="GeoPackage of polygons.", exists=True)] = None,
    folder: Annotated[Path, typer.Option(help="Folder for all files; emptied first.")] = Path("arpent-demo"),
    start: Annotated[str | None, typer.Option("--from", help="ISO instant, 2023-08-01T00:00:00Z.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="ISO instant.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the server running.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any free one.")] = 0,
) -> None:
    """Run the real service's whole workflow, on a generated landscape or on your imagery."""
    from arpent.cli.demo.run import DemoOptions, demonstrate

    options = DemoOptions(folder=folder.resolve(), keep=keep, port=port)
    settings_of()  # errors in them are reported here, not by the server that inherits them
    demonstrate(catalog, features, start, end, options, Console())


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 2 unless it is up to date.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Migrate the database to this version's tables. `serve` and `work` do it too."""
    with loading():
        from arpent.wiring import store

    if check:
        revision = store.schema_revision(settings_of())
        typer.echo(
            json.dumps({"revision": revision}) if as_json else f"The database is up to date: revision {revision}."
        )
        return
    database = store.database(settings_of())
    if as_json:
        typer.echo(json.dumps({"database": database.url.render_as_string()}))


@app.command("rotate-keys")
def rotate_keys(
    forget: Annotated[bool, typer.Option("--forget-database-key", help="Delete the database's own key.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Encrypt stored requests with the first key of ARPENT_SECRET_KEY; the others can then go. Servers may run."""
    with loading():
        from arpent.wiring import store
        from arpent.wiring.keys import rotate_keys as rotate_now

    settings = settings_of()
    done = rotate_now(settings, store.database(settings), forget_stored_key=forget)
    if as_json:
        shown = {"renewed": done.renewed, "unreadable": done.unreadable, "databaseKey": done.has_stored_key}
        typer.echo(json.dumps(shown))
    else:
        typer.echo(f"{done.renewed} requests are re-encrypted, and {len(done.unreadable)} cannot be decrypted.")
        if done.has_stored_key:
            again = "something may still need it; restart servers and runners with ARPENT_SECRET_KEY, and rotate again"
            why = again if forget else "see --forget-database-key"
            typer.echo(f"The database keeps a key of its own: {why}.")
        for job_id in done.unreadable:
            typer.echo(f"{job_id}: add the key it was stored with after the current ones, and rotate again", err=True)
    if done.unreadable or (forget and done.has_stored_key):
        raise typer.Exit(WITH_FAILURES)


@app.command()
def warm(as_json: JsonOption = False) -> None:
    """Compile what this machine needs before the first job: half a minute, once per version and machine."""
    from arpent.cli.warm import warm as warm_now

    names: list[str] = []
    warm_now(settings_of(), names.append)
    typer.echo(json.dumps({"examples": names}) if as_json else f"{len(names)} examples ran: kernels are compiled")


@app.command()
def collections(as_json: JsonOption = False) -> None:
    """List the data collections that this server knows, and their bands."""
    with loading():
        from arpent import worker

    known = {one.id: one for one in worker.collections(settings_of()).values()}
    if as_json:
        data = [{"id": one.id, "aliases": list(one.aliases), "bands": list(one.bands)} for one in known.values()]
        typer.echo(json.dumps({"data": data}))
        return
    for collection in known.values():
        typer.echo(f"{collection.id}\t{' '.join(collection.bands)}")


@app.command()
def version(as_json: JsonOption = False) -> None:
    """Print the version."""
    typer.echo(json.dumps({"version": __version__}) if as_json else __version__)


def _tell(line: str) -> None:
    typer.echo(f"arpent: {line}", err=True)


def _end_of_job(status: dict[str, Any]) -> None:
    """Exit with 1 if a job has failed, with 3 if something in it did or nothing has a number."""
    progress = status.get("progress", {})
    if status["status"] == "FAILED":
        raise typer.Exit(1)
    failed = progress.get("failed") or progress.get("incomplete") or not all_well(progress.get("rows"))
    if status["status"] == "DONE" and failed:
        raise typer.Exit(WITH_FAILURES)


def _stop_at_end_of_input(stop: threading.Event) -> None:
    # Not by sys.stdin: a thread that waits for it holds its lock, and Python cannot exit.
    while os.read(0, 1):
        pass
    stop.set()
