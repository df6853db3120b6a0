"""Page: the web page with very many features in a headless Chromium: first paint, bytes per view, longest tasks.

Run: python -m benchmarks.page [--features 100000 700000] [--browser /usr/bin/chromium]. Needs the built page
(`make page`) and `pip install -r tests/services/browser.txt`. The server analyses the features' file as usual; the
statistics are random numbers, so that no imagery has to be processed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from arpent.adapters.formats.parquet_columns import schema
from benchmarks.country import COMMUNE, START, parcels
from tests.support import client
from tests.support.server import Server
from tests.support.world import make_imagery

VILLAGE = 1300
"""Number of parcels that fill a square of COMMUNE pixels."""
INTERVALS = 12
PART = 20_000
"""Number of features in each file of the table."""
SOFTWARE = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
TRACED = ["disabled-by-default-devtools.timeline", "toplevel", "blink.user_timing"]
"""Categories of the browser's trace that hold the tasks of each thread, with wall and processor time."""
SETTLED = 1000
"""Milliseconds without a finished request after which a view is considered complete."""
NEARER = 7
"""Number of presses of the + button; after each, the map is dragged."""
SCRIPT = """//VERSION=3
function setup() { return { input: [{ bands: ["B04", "dataMask"] }],
  output: [{ id: "ndvi", bands: 1 }, { id: "dataMask", bands: 1 }] }; }
function evaluatePixel(s) { return { ndvi: [s.B04], dataMask: [s.dataMask] }; }"""


@dataclass(kw_only=True)
class View:
    """Network traffic and tasks for one view of the map."""

    name: str
    size: int = 0
    """Bytes of response bodies, as sent over the network."""
    requests: int = 0
    largest: int = 0
    """Bytes of the largest response body."""
    wall: float = 0.0
    """Wall time of the longest task of the main thread, in milliseconds."""
    processor: float = 0.0
    """Maximum processor time of a task of the main thread, in milliseconds: its duration on an idle machine."""


def made_job(server: Server, folder: Path, session: Any, count: int) -> str:
    """Run a job of `count` features, and replace its results with random numbers in INTERVALS intervals. Returns its
    id."""
    side = COMMUNE * math.ceil(math.sqrt(count / VILLAGE))
    source = parcels(folder, f"page-{count}", count, side, "EPSG:32633")
    target = server.buckets / "fields" / f"{count}.gpkg"
    target.parent.mkdir(parents=True, exist_ok=True)
    (server.buckets / "results").mkdir(exist_ok=True)
    shutil.copyfile(source, target)
    body = client.seed_body(f"s3://fields/{count}.gpkg", SCRIPT, "s3://results/page")
    body["output"]["results"] = "table"
    job = client.run_job(session, server, body, seconds=900)
    assert job["status"] == "DONE", job
    home = client.result_folder(server, job)
    for path in (home / "parquet").glob("*.parquet"):
        path.unlink()
    (home / "parquet").mkdir(exist_ok=True)
    ids = pq.read_table(home / "features" / "features.parquet", columns=["id"])["id"].to_numpy()
    for part in range(-(-count // PART)):
        pq.write_table(_rows(ids[part * PART : (part + 1) * PART]), home / "parquet" / f"part-{part:06d}-0.parquet")
    return str(job["id"])


def _rows(ids: np.ndarray[Any, Any]) -> pa.Table:
    """The table of results for these features: random numbers between 0 and 1, different in each interval."""
    random, every = np.random.default_rng(int(ids[0])), len(ids) * INTERVALS
    mean = random.random(every)
    starts = np.repeat([START + timedelta(days=10 * number) for number in range(INTERVALS)], len(ids))
    columns: dict[str, Any] = {
        "id": np.tile(ids, INTERVALS), "from": starts, "to": starts + timedelta(days=10), "min": mean - 0.1,
        "max": mean + 0.1, "mean": mean, "stDev": np.full(every, 0.05), "sample_count": np.full(every, 200),
        "no_data_count": np.full(every, 60), "geometry_pixel_count": np.full(every, 150),
        "valid_share": np.full(every, 0.9), "output": ["ndvi"] * every, "band": ["B0"] * every,
        "status": ["OK"] * every,
    }  # fmt: skip
    layout = schema(())
    return pa.table(
        {field.name: columns.get(field.name, pa.nulls(every, field.type)) for field in layout}, schema=layout
    )


class Watched:
    """A browser tab whose requests and tasks are recorded, view by view."""

    def __init__(self, browser: Any, tab: Any) -> None:
        self.tab, self._browser = tab, browser
        self._finished: list[Any] = []
        tab.on("requestfinished", self._note)
        self._trace()

    def _note(self, request: Any) -> None:
        self._finished.append(request)

    def _trace(self) -> None:
        self._browser.start_tracing(page=self.tab, categories=TRACED)

    def settle(self) -> None:
        """Wait until no request has finished for a while; one that takes longer counts for the next view."""
        before = -1
        while before != len(self._finished):
            before = len(self._finished)
            self.tab.wait_for_timeout(SETTLED)

    def view(self, name: str) -> View:
        """Responses and longest tasks since the previous call."""
        answers = [each.response() for each in self._finished]
        sizes = [int(each.header_value("content-length") or 0) for each in answers if each and each.status == 200]
        self._finished.clear()
        wall, processor = longest_tasks(self._browser.stop_tracing())
        self._trace()
        return View(
            name=name, size=sum(sizes), requests=len(sizes), largest=max(sizes, default=0), wall=wall,
            processor=processor,
        )  # fmt: skip


def longest_tasks(trace: bytes) -> tuple[float, float]:
    """Milliseconds of the longest task in the main threads of pages: (wall time, maximum processor time)."""
    events = json.loads(trace)["traceEvents"]
    main = {
        (each["pid"], each["tid"])
        for each in events
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    tasks = [each for each in events if "RunTask" in each["name"] and (each["pid"], each["tid"]) in main]
    return (
        max((each.get("dur", 0) / 1000 for each in tasks), default=0.0),
        max((each.get("tdur", 0) / 1000 for each in tasks), default=0.0),
    )


def measured(
    browser: Any, server: Server, credentials: tuple[str, str], job: str, picture: str | None
) -> tuple[float, list[View]]:
    """Open the job's page, zoom and drag the map. Returns the milliseconds until the first paint, and the views."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.set_default_timeout(300_000)
    watched = Watched(browser, tab)
    tab.goto(server.url)
    tab.get_by_label("Client id").fill(credentials[0])
    tab.get_by_label("Client secret").fill(credentials[1])
    tab.get_by_role("button", name="Sign in").click()
    tab.get_by_role("heading", name="Requests").wait_for()
    tab.goto(f"{server.url}/#/jobs/{job}")
    watched.settle()
    watched.view("sign in")
    tab.reload()
    tab.locator(".map[data-ready]").wait_for()
    watched.settle()
    paint = tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    views = [watched.view("all of it")]
    box = tab.locator(".map").bounding_box()
    across, down = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for zoom in range(NEARER + 1):
        if zoom:
            tab.get_by_role("button", name="Zoom in").click()
            tab.wait_for_timeout(600)
            watched.settle()
            views.append(watched.view(f"{zoom} nearer"))
        tab.mouse.move(across, down)
        tab.mouse.down()
        for step in (*range(60), *range(60, -1, -1)):  # there and back
            tab.mouse.move(across - 6 * step, down - 2 * step)
            tab.wait_for_timeout(16)
        tab.mouse.up()
        watched.settle()
        views.append(watched.view(f"{zoom} nearer, panned"))
    if picture:
        tab.screenshot(path=picture)
    tab.get_by_role("slider").fill("3")
    watched.settle()
    views.append(watched.view("another date"))
    tab.close()
    return float(paint), views


def main() -> None:
    """Print a table for each number of features."""
    from playwright.sync_api import sync_playwright

    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--features", type=int, nargs="+", default=[100_000, 700_000])
    arguments.add_argument("--browser", default=shutil.which("chromium") or shutil.which("google-chrome"))
    arguments.add_argument("--picture", help="where to put a screenshot")
    options = arguments.parse_args()
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    with tempfile.TemporaryDirectory(prefix="arpent-page-") as name, sync_playwright() as driver:
        server = Server(folder=Path(name), catalog=make_imagery(Path(name, "stac")))
        browser = driver.chromium.launch(executable_path=options.browser, args=SOFTWARE)
        try:
            server.start()
            credentials = server.add_client()
            with client.signed_in(server, *credentials) as session:
                for count in options.features:
                    job = made_job(server, Path(__file__).parent / "out" / "page", session, count)
                    _tell(count, *measured(browser, server, credentials, job, options.picture))
        finally:
            browser.close()
            server.close()


def _tell(count: int, paint: float, views: list[View]) -> None:
    print(f"\n{count:,} features: first paint after {paint:.0f} ms (at most 2,000)")
    print(f"{'view':22}{'answers':>9}{'kB':>8}{'largest kB':>12}{'longest task, ms':>18}{'of processor':>14}")
    for view in views:
        print(
            f"{view.name:22}{view.requests:>9}{view.size / 1e3:>8.0f}{view.largest / 1e3:>12.0f}{view.wall:>18.0f}"
            f"{view.processor:>14.0f}"
        )
    most = max(views, key=lambda each: each.size)
    longest = max((each for each in views if "panned" in each.name), key=lambda each: each.processor)
    print(f"largest view: {most.size / 1e6:.2f} MB ({most.name}; at most 2); longest task while panning: "
          f"{longest.processor:.0f} ms of processor ({longest.name}; at most 100)", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
