"""Main: every command with its options; what a command does is in the file of its name."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from arpent import __version__
from arpent.cli.catalog.commands import app as catalog_app
from arpent.cli.guard import Guarded, check_target, read_text
from arpent.cli.script.commands import app as script_app
from arpent.domain.errors import InvalidRequest

if TYPE_CHECKING:
    from arpent.settings import Settings


app = typer.Typer(
    name="arpent",
    cls=Guarded,
    help="What did each of these fields look like, over time? Sentinel Hub's Batch Statistical API, on your machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
client_app = typer.Typer(help="OAuth2 clients.", no_args_is_help=True)
app.add_typer(client_app, name="client")
app.add_typer(script_app, name="script")
app.add_typer(catalog_app, name="catalog")

MOST_JOBS = 1_000_000
"""Maximum number of jobs of one list."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def serve() -> None:
    """Start the HTTP API and a runner. Settings come from ARPENT_* variables or arpent.toml."""
    from arpent.cli.serve import serve as serve_now

    serve_now(_settings())


@app.command()
def work(
    executor: Annotated[str | None, typer.Option(help="processes, processes:N or dask://host:port.")] = None,
    attached: Annotated[bool, typer.Option(hidden=True, help="End when standard input closes.")] = False,
) -> None:
    """Start a runner beside other servers on the same database."""
    from arpent import wiring, worker

    settings = _settings(executor)
    if not attached:
        worker.check_places(settings)
    stop = _stop_on_signals()
    if attached:
        os.nice(worker.RUNNER_NICENESS)
        threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    wiring.work(settings, stop)


@app.command()
def run(
    request: Annotated[Path, typer.Argument(help="The request's JSON, as for the API.", exists=True, dir_okay=False)],
    executor: Annotated[str | None, typer.Option(help="processes, processes:N or inline.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run one request without a server, with a progress bar."""
    from arpent.cli.run import run as run_now

    outcome = run_now(_settings(executor), read_text(request, "The request"), Console(stderr=True))
    typer.echo(
        json.dumps(outcome)
        if as_json
        else f"{outcome['status']}: {outcome['features']} features in {outcome['output']}"
    )
    if "hint" in outcome:
        typer.echo(f"arpent: {outcome['hint']}", err=True)
    if outcome["status"] != "DONE":
        raise typer.Exit(1)


@app.command()
def explain(
    request: Annotated[Path, typer.Argument(help="The request's JSON, as for the API.", exists=True, dir_okay=False)],
    feature: Annotated[int, typer.Option(help="Primary key of the feature.")],
    start: Annotated[
        str | None, typer.Option("--from", help="Start of an interval; default: the first with data.")
    ] = None,
    png: Annotated[Path | None, typer.Option(help="Draw imagery, mask and outputs into this file.")] = None,
) -> None:
    """Show how a feature's numbers came about: grid, images, every sample; as JSON, or as a picture."""
    from arpent.cli.explain import explained

    check_target(png, "--png")
    found = explained(_settings(), read_text(request, "The request"), feature, start, draw=png is not None)
    if png is None:
        typer.echo(found)
    else:
        png.write_bytes(found)
        typer.echo(str(png))


@app.command()
def results(
    url: Annotated[str, typer.Argument(help="The job's output: a folder, s3://bucket/prefix or gs://bucket/prefix.")],
    parquet: Annotated[Path | None, typer.Option(help="Write a Parquet file.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write a CSV file.")] = None,
) -> None:
    """Make one table of a job's result files, ours or the real service's. Writes CSV to standard output by default."""
    from arpent.adapters.formats.parquet_rows import write_csv, write_parquet
    from arpent.cli.results import collect

    check_target(parquet, "--parquet")
    check_target(csv, "--csv")
    table = collect(_settings(), url)
    if parquet is not None:
        write_parquet(table, parquet)
    if csv is not None:
        with csv.open("wb") as file:
            write_csv(table, file)
    if parquet is None and csv is None:
        write_csv(table, sys.stdout.buffer)
        return
    typer.echo(f"{len(table)} rows: {', '.join(str(path) for path in (parquet, csv) if path is not None)}")


@app.command()
def jobs(
    owner: Annotated[str | None, typer.Option(help="Only those of this client id.")] = None,
    count: Annotated[int, typer.Option(min=1, max=MOST_JOBS, help="Maximum number of requests to list.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List the requests in the database, newest first."""
    from arpent import wiring
    from arpent.cli import jobs as watching

    if as_json:
        typer.echo(json.dumps({"data": list(watching.entries(_settings(), owner, count))}))
    else:
        Console().print(watching.job_table(_settings(), owner, count, wiring.now()))


@app.command()
def status(
    job: Annotated[str, typer.Argument(help="The request's id.")],
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until it ends.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object; with --watch one per second.")
    ] = False,
) -> None:
    """Show how far a request is."""
    from arpent.cli import jobs as watching

    lines = watching.observe(_settings(), job, watch=watch)
    if not as_json:
        watching.show(lines, Console())
    else:
        for line in lines:
            typer.echo(json.dumps(line))


@client_app.command("add")
def client_add(
    name: Annotated[str, typer.Argument(help="Label to recognise the client by.")], as_json: JsonOption = False
) -> None:
    """Print a new OAuth2 client id and secret; the secret cannot be shown again."""
    from arpent import wiring

    if not name.strip():
        raise InvalidRequest("NAME is empty: give a label to recognise the client by")
    client_id, secret = wiring.clients(wiring.database(_settings())).add(name)
    if as_json:
        typer.echo(json.dumps({"client_id": client_id, "client_secret": secret}))
    else:
        typer.echo(f"client id      {client_id}\nclient secret  {secret}\nKeep the secret: it is stored hashed.")


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
    _settings()  # what is wrong with them is told here, not by the server that inherits them
    demonstrate(catalog, features, start, end, options, Console())


@app.command()
def migrate() -> None:
    """Migrate the database to this version's tables. `serve` and `work` do it too."""
    from arpent import wiring

    wiring.database(_settings())


@app.command()
def collections() -> None:
    """List the data collections that this server knows, and their bands."""
    from arpent import worker

    for collection in {one.id: one for one in worker.collections(_settings()).values()}.values():
        typer.echo(f"{collection.id}\t{' '.join(collection.bands)}")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def _settings(executor: str | None = None) -> Settings:
    from arpent.settings import load

    return load(executor=executor)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _stop_at_end_of_input(stop: threading.Event) -> None:
    while sys.stdin.buffer.read(1):
        pass
    stop.set()


if __name__ == "__main__":
    app()
