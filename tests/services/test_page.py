"""The page in a real browser: sign in, requests, a map, a curve, a new request; and the pixels of each view."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pyogrio
import pytest
from PIL import Image

from arpent.cli.demo.seed import DemoRequest, Workflow, connect
from arpent.landscape.make import Landscape, make_landscape
from arpent.server.page.files import BUILT
from tests.support.server import Server, wait_for

pytestmark = pytest.mark.services
playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: install tests/services/browser.txt")
BROWSER = os.environ.get("ARPENT_TEST_BROWSER", "")
if not BROWSER or not (BUILT / "index.html").exists():
    pytest.skip("needs a browser and the built page: set ARPENT_TEST_BROWSER, run `make page`", allow_module_level=True)

PICTURE = os.environ.get("ARPENT_TEST_PICTURE")
"""Where the picture of the page for the README is to be written, if it is."""
Pixels = np.ndarray[Any, Any]
MINUTES = 120_000.0
"""Milliseconds that a step may take where many share the machine."""
PARCELS = 60
VIRIDIS = [(0x44, 0x01, 0x54), (0x3B, 0x52, 0x8B), (0x21, 0x91, 0x8C), (0x5E, 0xC9, 0x62), (0xFD, 0xE7, 0x25)]
SOFTWARE = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist"]
"""The browser draws without a graphics card, and runs as whoever runs the tests."""


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> Landscape:
    return make_landscape(tmp_path_factory.mktemp("land"), parcels=PARCELS, scenes=14, tile=256)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, land: Landscape) -> Iterator[Server]:
    """With one job that is done: `s3://fields/parcels.gpkg`, B04 in two intervals."""
    server = Server(folder=tmp_path_factory.mktemp("server"), catalog=land.catalog)
    for name in ("fields", "results"):
        (server.buckets / name).mkdir(parents=True)
    (server.buckets / "fields" / "parcels.gpkg").write_bytes(land.features.read_bytes())
    with server:
        yield server


@pytest.fixture(scope="module")
def credentials(server: Server) -> tuple[str, str]:
    return server.add_client()


@pytest.fixture(scope="module")
def done(server: Server, credentials: tuple[str, str]) -> str:
    """The id of a job that is done."""
    with connect(server.url, *credentials) as session:
        workflow = Workflow(server.url, session, lambda line: None)
        request = DemoRequest(
            features="s3://fields/parcels.gpkg", output="s3://results/first", start="2020-05-15T00:00:00Z",
            end="2020-07-14T00:00:00Z", resolution=10.0,
        )  # fmt: skip
        id_ = workflow.create(request)
        workflow.act(id_, "start")
        assert workflow.wait(id_, (), lambda status: None) == "DONE"
    return id_


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=SOFTWARE)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    """A tab that is not signed in. Anything that the browser complains about, its policy above all, fails the test; so
    does a request to anywhere else."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
    tab.set_default_timeout(MINUTES)
    complaints: list[str] = []
    tab.on("console", lambda each: complaints.append(each.text) if each.type == "error" else None)
    tab.on("pageerror", lambda each: complaints.append(str(each)))
    ours = (server.url, f"blob:{server.url}", "data:")
    tab.on("request", lambda each: None if each.url.startswith(ours) else complaints.append(each.url))
    yield tab
    tab.close()
    assert [each for each in complaints if "a status of 4" not in each] == []


def enter(page: Any, server: Server, credentials: tuple[str, str]) -> None:
    page.goto(server.url)
    page.get_by_label("Client id").fill(credentials[0])
    page.get_by_label("Client secret").fill(credentials[1])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Requests").wait_for()


def pixels(shot: bytes) -> Pixels:
    """(height, width, 3): the picture's colours."""
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


def settle(page: Any) -> None:
    """Wait until what the last action set off is drawn: effects run after a frame, and may set off another."""
    page.evaluate(
        """async () => {
          for (let frames = 0; frames < 3; frames++)
            await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
        }"""
    )


def seen(canvas: Any, looks: Callable[[Pixels], bool], what: str) -> Pixels:
    """The pixels of the map once they look like that: tiles come one by one."""
    return wait_for(lambda: [shot] if looks(shot := pixels(canvas.screenshot())) else None, 60, what, pause=0.5)[0]


def between_stops(picture: Pixels) -> float:
    """The share of pixels whose colour is one of the map's ramp, and not of its ground."""
    steps = np.linspace(0, len(VIRIDIS) - 1, 200)
    ramp = np.column_stack(
        [np.interp(steps, range(len(VIRIDIS)), [each[part] for each in VIRIDIS]) for part in range(3)]
    )
    near = np.abs(picture[::3, ::3, None, :] - ramp).max(axis=-1).min(axis=-1) <= 6
    return float(near.mean())


def test_a_wrong_secret_is_told_and_no_secret_is_kept(page: Any, server: Server, credentials: tuple[str, str]) -> None:
    page.goto(server.url)
    page.get_by_label("Client id").fill(credentials[0])
    page.get_by_label("Client secret").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    assert "wrong" in page.get_by_role("alert").inner_text()
    shot = pixels(page.screenshot())
    assert shot.mean() > 200  # a light page …
    assert len(np.unique(shot.reshape(-1, 3), axis=0)) > 20  # … with something on it
    enter(page, server, credentials)
    kept = page.evaluate("JSON.stringify([{...sessionStorage}, {...localStorage}, document.cookie])")
    assert credentials[0] in kept
    assert credentials[1] not in kept
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert credentials[0] not in page.evaluate("JSON.stringify({...sessionStorage})")


def test_requests_a_map_a_curve_and_a_picture(
    page: Any, server: Server, credentials: tuple[str, str], done: str, tmp_path: Path
) -> None:
    enter(page, server, credentials)
    line = page.get_by_role("row").filter(has_text=done)
    line.wait_for()
    assert all(part in line.inner_text() for part in ("DONE", "100 %", f"{PARCELS} of {PARCELS}"))
    assert len(np.unique(pixels(page.screenshot()).reshape(-1, 3), axis=0)) > 20
    page.get_by_role("link", name=done).click()
    page.get_by_text(" with numbers, ").wait_for()

    canvas = page.locator(".map[data-ready] canvas")
    canvas.wait_for()
    first = seen(canvas, lambda shot: between_stops(shot) > 0.15, "features in the colours of their numbers")
    page.get_by_role("slider").fill("1")
    seen(
        canvas,
        lambda shot: between_stops(shot) > 0.15 and (np.abs(first - shot).max(axis=-1) > 20).mean() > 0.02,
        "other colours at another date",
    )

    box = canvas.bounding_box()
    canvas.click(position={"x": box["width"] / 2 + 12, "y": box["height"] / 2 + 12})
    panel = page.locator("section.feature")
    panel.get_by_role("img").first.wait_for()
    picked = int(panel.get_attribute("aria-label").split()[-1])
    if PICTURE:
        shot = Image.open(io.BytesIO(page.screenshot(full_page=True))).convert("RGB")
        shot = shot.crop((0, 0, shot.width, min(shot.height, shot.width * 6 // 5)))  # without the table
        shot.resize((shot.width * 3 // 4, shot.height * 3 // 4), Image.Resampling.LANCZOS).quantize(96).save(PICTURE)
    told = json.loads((server.buckets / "results" / "first" / done / f"{picked}.json").read_text())
    means = [each["outputs"]["output_B04"]["bands"]["B0"]["stats"]["mean"] for each in told["response"]["data"]]
    panel.get_by_text("All numbers").click()
    shown = [float(cell) for cell in panel.locator("details table tbody tr td:nth-child(2)").all_inner_texts()]
    assert shown == pytest.approx(means, rel=1e-3), "the curve has the numbers of the result file"
    assert panel.locator("svg circle").count() == len(means)
    line_and_band = pixels(panel.locator(".chart svg").screenshot())
    assert (np.abs(line_and_band - [0x17, 0x61, 0x4A]).max(axis=-1) < 40).sum() > 50, "the line of the mean is drawn"

    panel.get_by_role("button", name="Explain").click()
    picture = panel.locator(".explained img")
    picture.wait_for()
    assert picture.evaluate("async (image) => { await image.decode(); return image.naturalWidth }") > 200

    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    saved.value.save_as(tmp_path / "table.csv")
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 1 + PARCELS * 2


def test_everything_is_reached_by_keyboard(page: Any, server: Server, credentials: tuple[str, str], done: str) -> None:
    enter(page, server, credentials)
    page.goto(f"{server.url}/#/jobs/{done}")
    page.locator(".map[data-ready]").wait_for()
    page.get_by_role("button", name="Show feature 5").focus()
    page.keyboard.press("Enter")
    page.locator("section.feature svg").wait_for()
    settle(page)
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Feature 5"
    page.get_by_role("slider").focus()
    before = page.get_by_role("slider").get_attribute("aria-valuetext")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    settle(page)
    assert page.get_by_role("slider").get_attribute("aria-valuetext") != before
    bare = page.evaluate(
        """[...document.querySelectorAll('button, a, input, select, textarea')].filter((each) =>
           !(each.textContent || each.ariaLabel || each.title || each.labels?.length)).map((each) => each.outerHTML)"""
    )
    assert bare == [], "each control has a name"


def test_dark_is_dark(page: Any, server: Server, credentials: tuple[str, str], done: str) -> None:
    enter(page, server, credentials)
    page.get_by_role("button", name="Dark").click()
    settle(page)
    assert pixels(page.screenshot()).mean() < 60
    page.goto(f"{server.url}/#/jobs/{done}")
    canvas = page.locator(".map[data-ready] canvas")
    canvas.wait_for()
    seen(canvas, lambda shot: between_stops(shot) > 0.15 and (shot.max(axis=-1) < 40).mean() > 0.05, "a dark ground")


def test_a_new_request_from_a_file(
    page: Any, server: Server, credentials: tuple[str, str], land: Landscape, tmp_path: Path
) -> None:
    source = tmp_path / "my fields.geojson"
    fields = pyogrio.read_dataframe(land.features).head(12).to_crs(4326)
    pyogrio.write_dataframe(fields.assign(owner="Anna"), source)
    enter(page, server, credentials)
    page.get_by_role("link", name="New request").click()
    page.get_by_label("Bucket").first.select_option("results")
    page.get_by_label("Upload a file").set_input_files(source)
    page.get_by_text("12 features in EPSG:4326").wait_for()
    page.get_by_label("From").fill("2020-05-15")
    page.get_by_label("To (not included)").fill("2020-06-15")
    page.get_by_label("Percentiles").fill("5, 50")
    page.wait_for_function("document.querySelector('[name=evalscript]').value.includes('ndvi')")
    told = as_json(page)
    python = page.get_by_label("A Python program that sends the request").inner_text()
    assert len(np.unique(pixels(page.screenshot()).reshape(-1, 3), axis=0)) > 20
    names: dict[str, Any] = {}
    exec(python[: python.index("client =")], names)  # it is a program, and holds the same request
    assert names["request"] == told
    page.get_by_role("button", name="Start").click()
    page.locator(".status.DONE").wait_for()
    page.locator(".map[data-ready]").wait_for()
    job = page.url.rpartition("/")[2]
    stored = json.loads((server.buckets / "results" / "results" / job / "1.json").read_text())
    bands = stored["response"]["data"][0]["outputs"]["ndvi"]["bands"]["B0"]["stats"]
    assert set(bands["percentiles"]) == {"5.0", "50.0"}
    page.get_by_role("button", name="Show feature 1", exact=True).click()
    page.locator("section.feature path.rank").first.wait_for()
    page.get_by_text("Columns of the file").click()
    assert "Anna" in page.locator("section.feature dl").inner_text()


CLASSES = """//VERSION=3
function setup() {
  return { input: [{ bands: ["B04", "SCL", "dataMask"] }],
           output: [{ id: "red", bands: 1 }, { id: "ground", bands: 1, sampleType: "UINT8" },
                    { id: "dataMask", bands: 1 }] };
}
function evaluatePixel(s) {
  var clear = s.SCL == 8 || s.SCL == 9 ? 0 : s.dataMask;
  return { red: [s.B04], ground: [Math.round(s.B04 * 10000) % 3 ? 4 : 5], dataMask: [clear] };
}"""


MORE = ["sum", "median", "weightedMean", "cloudyShare"]


def ask_for_more(page: Any) -> None:
    """Fill the form for a new request: further statistics, classes, the pixel rule and tiny polygons."""
    page.get_by_role("link", name="New request").click()
    page.get_by_label("File in a bucket").fill("s3://fields/parcels.gpkg")
    page.get_by_label("File in a bucket").blur()
    page.get_by_label("My own script").check()
    page.get_by_label("Evalscript").fill(CLASSES)
    for name in ("sum", "median", "weighted mean"):
        page.get_by_role("checkbox", name=name, exact=True).check()
    page.get_by_label("Shares of classes").fill("plants=4, soil=5, half")
    page.get_by_label("Output with the classes").fill("ground")
    page.locator("[name=rule]").select_option("centre")
    page.locator("[name=inner]").fill("5")
    page.get_by_label("Tiny polygons").select_option("nearest,flagged")
    page.locator("[name=results]").select_option("table")
    page.get_by_label("From").fill("2020-04-01")
    page.get_by_label("To (not included)").fill("2020-06-15")
    page.get_by_text(f"{PARCELS} features in").wait_for()


def as_json(page: Any) -> dict[str, Any]:
    settle(page)
    found: dict[str, Any] = json.loads(page.get_by_label("The request as JSON").inner_text())
    return found


@pytest.fixture(scope="module")
def further(browser: Any, server: Server, credentials: tuple[str, str]) -> str:
    """The id of a job that is done, made by that form."""
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(MINUTES)
        enter(page, server, credentials)
        ask_for_more(page)
        page.get_by_role("button", name="Start").click()
        page.locator(".status.DONE").wait_for()
        return str(page.url.rpartition("/")[2])


def test_further_numbers_are_asked_for(page: Any, server: Server, credentials: tuple[str, str]) -> None:
    enter(page, server, credentials)
    ask_for_more(page)
    told, names = as_json(page), dict[str, Any]()
    python = page.get_by_label("A Python program that sends the request").inner_text()
    exec(python[: python.index("client =")], names)
    assert names["request"] == told
    assert told["calculations"] == {
        "default": {"statistics": {"default": {"more": MORE}}},
        "ground": {"statistics": {"default": {"more": MORE, "shares": {"plants": 4, "soil": 5}}}},
    }
    assert told["aggregation"]["pixels"] == "centre,inner:5,nearest,flagged"
    assert told["output"]["results"] == "table"
    page.locator("[name=rule]").select_option("weighted")
    page.get_by_label("Percentiles").and_(page.locator(":disabled")).wait_for()
    weighed = [name for name in MORE if name != "median"]
    assert as_json(page)["calculations"] == {"default": {"statistics": {"default": {"more": weighed}}}}


def test_further_numbers_are_shown(page: Any, server: Server, credentials: tuple[str, str], further: str) -> None:
    enter(page, server, credentials)
    page.goto(f"{server.url}/#/jobs/{further}")
    page.get_by_label("Statistic").select_option("share_plants")
    page.get_by_label("Output").select_option("ground")
    seen(page.locator(".map[data-ready] canvas"), lambda shot: between_stops(shot) > 0.15, "the share of plants")
    page.get_by_role("button", name="Show feature 5", exact=True).click()
    panel = page.locator("section.feature")
    panel.locator(".shares rect").first.wait_for()
    bars = pixels(panel.locator(".shares > svg").screenshot())
    for colour in ((0x00, 0x9E, 0x73), (0xE6, 0x9F, 0x00)):
        assert (np.abs(bars - colour).max(axis=-1) < 12).sum() > 30, "a part of a bar for each class"
    assert panel.locator(".key svg").first.bounding_box()["width"] < 20
    panel.get_by_text("All numbers").click()
    heads = panel.locator("details table thead th").all_inner_texts()
    line = panel.locator("details table tbody tr").last.locator("th, td").all_inner_texts()
    cells = dict(zip(heads, line, strict=True))
    table = server.buckets / "fields" / "results" / further / "parquet"
    (row,) = [
        each
        for each in pq.read_table(table).to_pylist()
        if (each["id"], each["output"], f"{each['from']:%Y-%m-%d}") == (5, "ground", cells["From"])
    ]
    assert float(cells["sum"].replace(",", "")) == pytest.approx(row["sum"], rel=1e-3)
    assert float(cells["weighted mean"]) == pytest.approx(row["weightedMean"], rel=1e-3)
    for heading, column in (("share of plants", "share_plants"), ("cloudy", "cloudy_share"), ("Valid", "valid_share")):
        assert float(cells[heading].removesuffix(" %")) == pytest.approx(row[column] * 100, abs=0.051)
    assert cells["tiny"] == ("yes" if row["tiny"] else "no")


def test_what_an_update_kept_is_told(page: Any, server: Server, credentials: tuple[str, str], further: str) -> None:
    enter(page, server, credentials)
    ask_for_more(page)
    page.get_by_label("Write results to").fill("s3://elsewhere")
    page.get_by_label("Update the request").fill(further)
    settle(page)
    assert page.get_by_label("Write results to").input_value() == "s3://fields/results"
    assert as_json(page)["update"] == further
    page.get_by_role("button", name="Start").click()
    page.get_by_text("of them kept from an earlier request").wait_for()


def test_a_refused_request_says_why(page: Any, server: Server, credentials: tuple[str, str]) -> None:
    enter(page, server, credentials)
    page.goto(f"{server.url}/#/new")
    page.get_by_label("File in a bucket").fill("s3://fields/absent.gpkg")
    page.get_by_label("My own script").check()
    page.get_by_label("Evalscript").fill("no script")
    page.get_by_role("alert").first.wait_for()
    assert "absent.gpkg" in page.get_by_role("alert").first.inner_text()


def test_the_sample_size_waits_for_the_unit_of_the_file(
    page: Any, server: Server, credentials: tuple[str, str]
) -> None:
    late: list[Any] = []

    def look(route: Any) -> None:
        name = route.request.url.rpartition("%2F")[2].removesuffix(".gpkg")
        if name == "late":
            late.append(route)
        elif name == "mine":
            route.fulfill(status=403, json={"error": {"message": "mine.gpkg is denied"}})
        else:
            route.fulfill(json={"features": 2, "crs": "EPSG:4326", "name": "WGS 84", "metresPerUnit": None})

    def size() -> Any:
        return as_json(page)["aggregation"].get("resx")

    page.route("**/page/features?*", look)
    enter(page, server, credentials)
    page.goto(f"{server.url}/#/new")
    start, file = page.get_by_role("button", name="Start"), page.get_by_label("File in a bucket")
    file.wait_for()
    assert (start.is_disabled(), size()) == (True, None)
    with page.expect_request("**/page/features?*late*"):
        file.fill("s3://fields/late.gpkg")
        file.blur()
    assert (start.is_disabled(), size()) == (True, None)
    file.fill("s3://fields/degrees.gpkg")
    assert start.is_disabled()
    file.blur()
    page.get_by_text("2 features in EPSG:4326").wait_for()
    for route in late:  # an answer about a file that is not meant any more
        route.fulfill(json={"features": 9, "crs": "EPSG:32633", "name": "UTM", "metresPerUnit": 1})
    assert start.is_enabled()
    assert size() == pytest.approx(10 / 111_320, rel=1e-5)
    file.fill("s3://fields/mine.gpkg")
    file.blur()
    page.get_by_text("mine.gpkg is denied").wait_for()
    assert (start.is_disabled(), size()) == (True, None)
    page.get_by_label("Unit of the file's coordinates").select_option("metres")
    assert (start.is_enabled(), size()) == (True, 10)
    page.get_by_label("Unit of the file's coordinates").select_option("degrees")
    assert size() == pytest.approx(10 / 111_320, rel=1e-5)


@pytest.mark.parametrize(
    ("told", "buttons"),
    [
        ({"status": "CREATED"}, {"Start", "Analyse"}),
        ({"status": "FAILED"}, {"Start"}),
        ({"status": "DONE"}, set()),
        ({"status": "DONE", "failed": 2}, {"Start"}),
        ({"status": "DONE", "incomplete": 1}, {"Start"}),
        ({"status": "ANALYSIS_DONE", "userAction": "ANALYSE"}, {"Start"}),
        ({"status": "ANALYSIS_DONE", "userAction": "START"}, {"Stop"}),
    ],
)
def test_what_can_be_started_again_has_a_button(
    page: Any, server: Server, credentials: tuple[str, str], done: str, told: dict[str, Any], buttons: set[str]
) -> None:
    def other(route: Any) -> None:
        job = route.fetch().json()
        counts = {name: told.get(name, 0) for name in ("failed", "incomplete")}
        route.fulfill(json={**job, **told, "progress": {**job["progress"], **counts}})

    page.route(f"**/statistics/batch/{done}", other)
    enter(page, server, credentials)
    page.goto(f"{server.url}/#/jobs/{done}")
    page.locator(f".status.{told['status']}").wait_for()
    assert set(page.locator("main .card .heading").first.get_by_role("button").all_inner_texts()) == buttons


@pytest.mark.parametrize("script", ['// "', '// ""', '"""', '// \\"', '""""', "// \\"])
def test_the_python_program_holds_any_script(
    page: Any, server: Server, credentials: tuple[str, str], script: str
) -> None:
    enter(page, server, credentials)
    page.goto(f"{server.url}/#/new")
    page.get_by_label("My own script").check()
    page.get_by_label("Evalscript").fill(script)
    python = page.get_by_label("A Python program that sends the request").inner_text()
    names: dict[str, Any] = {}
    exec(python[: python.index("client =")], names)
    assert names["EVALSCRIPT"] == script


def test_the_api_is_documented_without_a_network(page: Any, server: Server) -> None:
    page.goto(f"{server.url}/docs")
    page.get_by_text("Create a request").first.wait_for()
    assert len(np.unique(pixels(page.screenshot()).reshape(-1, 3), axis=0)) > 50


LONG = """//VERSION=3
function setup() {{
  return {{ input: ["B04", "dataMask"],
            output: [{{ id: "{0}", bands: ["{1}", "{2}"] }}, {{ id: "dataMask", bands: 1 }}] }};
}}
function evaluatePixel(s) {{ return {{ "{0}": [s.B04, 1], dataMask: [s.dataMask] }}; }}""".format(
    "output" * 30, "first" * 40, "second" * 40
)


def test_long_names_make_no_page_wider(page: Any, server: Server, credentials: tuple[str, str]) -> None:
    def wider() -> int:
        settle(page)
        return int(page.evaluate("document.scrollingElement.scrollWidth - innerWidth"))

    enter(page, server, credentials)
    ask_for_more(page)
    page.get_by_label("Evalscript").fill(LONG)
    page.get_by_label("Shares of classes").fill("")
    assert wider() <= 0, "the new request"
    page.get_by_role("button", name="Start").click()
    page.locator(".status.DONE").wait_for()
    page.locator(".map[data-ready]").wait_for()
    page.get_by_role("button", name="Show feature 5", exact=True).click()
    page.locator("section.feature svg").first.wait_for()
    for width in (1280, 600, 360):
        page.set_viewport_size({"width": width, "height": 900})
        assert wider() <= 0, f"at {width} pixels"
