"""Run: the demonstration, from an empty folder to a table of results."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from arpent.cli.demo.imagery import DemoImagery, brought, made
from arpent.cli.demo.seed import DemoRequest, Workflow, connect
from arpent.cli.demo.server import register, serving
from arpent.cli.demo.show import read_results, result_table
from arpent.cli.progress_bar import bar_of
from arpent.domain.errors import ArpentError, InvalidRequest

BUCKET = "demo"
SHOWN = 12
MARKER = ".arpent-demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """Options of `arpent demo`."""

    folder: Path
    """Folder for all files; emptied and created again."""
    keep: bool = False
    """Whether to leave the server running until Ctrl-C."""
    port: int = 0
    """Port of the server; 0: any free one."""


def demonstrate(
    catalog: str | None,
    features: Path | None,
    start: str | None,
    end: str | None,
    options: DemoOptions,
    console: Console,
) -> None:
    """Choose imagery and parcels, then run the demonstration. Raises InvalidRequest if only one of `catalog` and
    `features` is given."""
    if (catalog is None) != (features is None):
        raise InvalidRequest("--catalog and --features go together: imagery and the polygons to look at in it")
    if options.folder.exists():
        if any(options.folder.iterdir()) and not (options.folder / MARKER).exists():
            raise InvalidRequest(f"{options.folder} is not empty and not an earlier demo; choose another with --folder")
        shutil.rmtree(options.folder)
    options.folder.mkdir(parents=True)
    (options.folder / MARKER).touch()
    console.soft_wrap = True
    console.print("[bold]arpent demo[/]: what did each of these fields look like, over time?\n")
    if catalog is None or features is None:
        console.print("[bold]1[/] A landscape: made here, seeded, so that everybody sees the same …")
        imagery = made(options.folder / "landscape")
    else:
        console.print("[bold]1[/] Your imagery and parcels")
        source = str(Path(catalog).resolve()) if Path(catalog).exists() else catalog
        imagery = brought(source, features, start, end)
    console.print(f"  imagery {imagery.catalog}\n  parcels {imagery.features}", highlight=False)
    run(imagery, options, console)


def run(imagery: DemoImagery, options: DemoOptions, console: Console) -> Path:
    """Run the whole workflow; returns the folder with the results."""
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    bucket = options.folder / "buckets" / BUCKET
    bucket.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(imagery.features, bucket / "parcels.gpkg")
    console.print(f"[bold]2[/] A bucket: {bucket} stands for s3://{BUCKET}; parcels.gpkg is in it")
    client_id, secret = register(options.folder, imagery.catalog, "demo")
    console.print(f"[bold]3[/] A client: [cyan]arpent client add demo[/] → {client_id}")
    began = time.monotonic()
    with serving(options.folder, imagery.catalog, options.port) as (base, process):
        console.print(f"[bold]4[/] A server: [cyan]arpent serve[/] at {base} (a page at {base}/)")
        workflow = Workflow(base, connect(base, client_id, secret), lambda line: console.print(f"  {line}"))
        console.print("[bold]5[/] The real service's documented workflow, with requests and requests_oauthlib:")
        request_id, status = _carry_out(workflow, imagery, console)
        folder = bucket / "results" / request_id
        if status != "DONE":
            raise ArpentError(f"the request ended {status}: {workflow.get(request_id).get('error')}")
        cost = workflow.get(request_id).get("costPU")
        lines = read_results(folder)
        console.print(result_table(lines, imagery.planted, SHOWN))
        console.print(
            f"{len(lines)} result files in {time.monotonic() - began:.1f} s, {cost:.3f} processing units: {folder}"
        )
        _farewell(base, client_id, secret, folder, options, console)
        if options.keep:
            console.print("The server goes on; Ctrl-C ends it.")
            process.wait()
    return folder


def _carry_out(workflow: Workflow, imagery: DemoImagery, console: Console) -> tuple[str, str]:
    request = DemoRequest(
        features=f"s3://{BUCKET}/parcels.gpkg",
        output=f"s3://{BUCKET}/results",
        start=imagery.start,
        end=imagery.end,
        resolution=imagery.resolution,
    )
    request_id = workflow.create(request)
    with bar_of(console) as progress:
        bar = progress.add_task("CREATED", total=100)

        def seen(status: Mapping[str, object]) -> None:
            percentage = float(str(status["completionPercentage"]))
            progress.update(bar, description=str(status["status"]), completed=percentage)

        workflow.act(request_id, "analyse")
        status = workflow.wait(request_id, ("ANALYSIS_DONE",), seen)
        if status == "ANALYSIS_DONE":
            workflow.act(request_id, "start")
            status = workflow.wait(request_id, (), seen)
    return request_id, status


def _farewell(base: str, client_id: str, secret: str, folder: Path, options: DemoOptions, console: Console) -> None:
    console.print("\n[bold]The official client does the same.[/] pip install sentinelhub, then")
    console.print(
        "  export OAUTHLIB_INSECURE_TRANSPORT=1   # only because this server speaks plain http\n"
        "  from sentinelhub import SHConfig, SentinelHubBatchStatistical\n"
        "  config = SHConfig()\n"
        f'  config.sh_base_url = "{base}"\n'
        f'  config.sh_token_url = "{base}/auth/realms/main/protocol/openid-connect/token"\n'
        f'  config.sh_client_id, config.sh_client_secret = "{client_id}", "{secret}"\n'
        "  SentinelHubBatchStatistical(config)",
        highlight=False,
        markup=False,
    )
    program = _program()
    if not options.keep:
        console.print(f"The server ends now; [cyan]{program} demo --keep[/] leaves it running.")
    console.print("\n[bold]Look next[/]")
    console.print(f"  one result     {next(iter(sorted(folder.glob('*.json'))), folder)}")
    console.print(f"  one table      {program} results {folder} --csv table.csv")
    console.print(f"  findings       {folder / 'report' / 'features.json'}")
    console.print(f"  server's log   {options.folder / 'server.log'}")


def _program() -> str:
    """The command as it was called, for hints to the user."""
    called = Path(sys.argv[0])
    return os.path.relpath(called) if called.name == "arpent" and shutil.which("arpent") is None else "arpent"
