"""`arpent script check` and `arpent script run`: the bench for evalscripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from arpent.cli.main import app
from arpent.domain.evalscript import Mosaicking
from arpent.evalscript.layout import Column
from tests.support import client
from tests.support.assembly import assembled, declared
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import NDVI
from tests.support.server import Server

SETUP = (
    "//VERSION=3\nfunction setup() {\n  return {\n    input: [INPUT],\n    output: [OUTPUT],\n"
    '    mosaicking: "MOSAICKING",\n  };\n}\n'
)
OUTPUTS = '{ id: "x", bands: 1 }, { id: "dataMask", bands: 1 }'
PIXEL = "function evaluatePixel(s) { return { x: [s.B04], dataMask: [s.dataMask] } }"


def script(
    pixel: str = PIXEL, bands: str = '"B04", "dataMask"', output: str = OUTPUTS, mosaicking: str = "SIMPLE"
) -> str:
    head = SETUP.replace("INPUT", bands).replace("OUTPUT", output).replace("MOSAICKING", mosaicking)
    return head + pixel


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but the defaults."""
    monkeypatch.chdir(tmp_path)


def call(folder: Path, verb: str, text: str, *arguments: str) -> Result:
    path = folder / "script.js"
    path.write_text(text)
    return CliRunner().invoke(app, ["script", verb, str(path), *arguments])


def check(folder: Path, text: str, *arguments: str) -> tuple[int, list[dict[str, object]]]:
    done = call(folder, "check", text, "--json", *arguments)
    return done.exit_code, json.loads(done.stdout)["remarks"]


@pytest.mark.parametrize(
    "wish",
    [
        ["--index", "ndvi,ndwi,evi", "--mask", "scl"],
        ["--index", "ndvi", "--mask", "cld", "--composite", "max"],
        ["--index", "savi,ndre", "--composite", "median", "--constant", "L=1"],
        ["--index", "nbr", "--collection", "landsat-ot-l2", "--mask", "qa_pixel", "--composite", "mean"],
        ["--index", "ndmi", "--collection", "hls", "--mask", "fmask", "--composite", "min"],
        ["--index", "ndvi", "--collection", "S2L1C"],
    ],
    ids=" ".join,
)
def test_a_new_script_has_no_remarks(tmp_path: Path, wish: list[str]) -> None:
    made = CliRunner().invoke(app, ["script", "new", *wish])
    assert made.exit_code == 0, made.output
    collection = wish[wish.index("--collection") + 1] if "--collection" in wish else "S2L2A"
    assert check(tmp_path, made.stdout, "--collection", collection) == (0, [])
    told = CliRunner().invoke(app, ["script", "new", *wish, "-o", str(tmp_path / "new.js"), "--json"])
    assert json.loads(told.stdout) == {"evalscript": made.stdout, "file": str(tmp_path / "new.js")}
    assert (tmp_path / "new.js").read_text() == made.stdout


@pytest.mark.parametrize("composite", [[], ["--composite", "max"], ["--composite", "mean"]])
def test_a_new_script_can_be_compiled(tmp_path: Path, composite: list[str]) -> None:
    """So that an index costs no more than a script of one's own; a median needs the interpreter."""
    made = CliRunner().invoke(app, ["script", "new", "--index", "ndvi,evi", "--mask", "scl", *composite])
    text = made.stdout
    bands = ("B08", "B04", "B02", "SCL", "dataMask")
    mosaicking = Mosaicking.ORBIT if composite else Mosaicking.SIMPLE
    evalscript = declared(text, bands=bands, outputs={"ndvi": 1, "evi": 1}, mask_bands=1, mosaicking=mosaicking)
    rows = 3 if composite else 1
    column = Column(kind="u2", rows=rows, scale=(0.0001, 0.0), simple=not composite)
    assert assembled(evalscript, column).width == 3


def test_the_list_of_indices() -> None:
    told = json.loads(CliRunner().invoke(app, ["script", "list", "--json", "--collection", "landsat-ot-l2"]).stdout)
    by_name = {entry["index"]: entry for entry in told["data"]}
    assert len(by_name) > 100
    assert by_name["ndvi"]["bands"] == ["N", "R"]
    assert by_name["savi"]["constants"] == {"L": 0.5}
    assert "ndrei" not in by_name
    assert {mask["mask"] for mask in told["masks"]} == {"qa_pixel"}
    lines = CliRunner().invoke(app, ["script", "list"]).stdout.splitlines()
    assert any(line.startswith("ndrei\tvegetation\t(N-RE1)/(N+RE1)\t") for line in lines)


def test_a_good_script_has_no_remarks(tmp_path: Path) -> None:
    assert check(tmp_path, script()) == (0, [])
    done = call(tmp_path, "check", script())
    assert "input 0: B04, dataMask; SIMPLE; as sentinel-2-l2a" in done.stdout
    assert "0 errors, 0 warnings" in done.stdout


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (script(output='{ id: "x", bands: 1 }'), 5, "dataMask: [samples.dataMask]"),
        (script(bands='"B4", "dataMask"'), 4, "did you mean 'B04'?"),
        (script(bands='{ bands: ["B04", "dataMask"], units: "DNS" }'), 4, "did you mean 'DN'?"),
        (script(PIXEL.replace("[s.B04]", "[indx(s.B04, 1)]")), 9, "did you mean 'index'?"),
        (
            script(output=OUTPUTS.replace("1 }, ", "1, sampleType: SampleType.UINT9 }, ")),
            5,
            "did you mean SampleType.UINT",
        ),
        (script(mosaicking="ORBITS"), None, "did you mean ORBIT?"),
        (script().replace("return {\n", "return {\n nothing,"), 4, "nothing is defined neither"),
        (script() + "\n}", 10, "Unexpected token '}'"),
        (script(PIXEL.replace("s.B04", "s.no.way")), 9, "Cannot read properties of undefined"),
    ],
)
def test_faults_have_a_line_and_a_fix(tmp_path: Path, text: str, line: int | None, message: str) -> None:
    code, remarks = check(tmp_path, text)
    assert code == 1
    assert remarks[0]["gravity"] == "error"
    assert message in str(remarks[0]["message"])
    assert remarks[0]["line"] == line


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (script(PIXEL.replace("[s.dataMask]", "[1]")), 4, "never used"),
        (script(PIXEL.replace("{ return", "{ if (s.B04 > 9) halp(1); return")), 9, "halp is defined neither"),
        (script(PIXEL.replace("[s.B04]", "[s.B04 / s.B08]")), 9, 'add "B08" to bands'),
        (script(PIXEL.replace("{ return", "{ if (s.B04 > 0.3) throw new Error('bright'); return")), 9, "bright"),
        (script(PIXEL.replace("x: [s.B04], ", "")), None, "output x was missing"),
    ],
)
def test_doubts_are_warnings(tmp_path: Path, text: str, line: int | None, message: str) -> None:
    code, remarks = check(tmp_path, text)
    assert code == 0
    assert [one["gravity"] for one in remarks].count("warning") == len(remarks) > 0
    assert any(message in str(one["message"]) and one["line"] == line for one in remarks), remarks


def test_the_collection_decides(tmp_path: Path) -> None:
    radar = script(PIXEL.replace("B04", "VV"), '"VV", "dataMask"')
    assert check(tmp_path, radar)[0] == 0
    assert "as sentinel-1-grd" in call(tmp_path, "check", radar).stdout
    code, remarks = check(tmp_path, radar, "--collection", "sentinel-2-l2a")
    assert code == 1
    assert "sentinel-2-l2a has no band 'VV'" in str(remarks[0]["message"])
    assert call(tmp_path, "check", radar, "--collection", "sentinel-9").exit_code == 2
    fusion = script(
        "function evaluatePixel(s) { return { x: [s.a[0].VV], dataMask: [s.b[0].dataMask * s.a[0].dataMask] } }",
        '{ datasource: "a", bands: ["VV", "dataMask"] }, { datasource: "b", bands: ["B04", "dataMask"] }',
    )
    assert check(tmp_path, fusion) == (0, [])
    assert check(tmp_path, fusion, "--collection", "b=landsat-ot-l2")[0] == 0
    assert call(tmp_path, "check", fusion, "--collection", "c=landsat-ot-l2").exit_code == 2


def test_run_on_values(tmp_path: Path) -> None:
    text = script(PIXEL.replace("{ return", "{ console.log('seen', s.B04); return").replace("[s.B04]", "[1 / s.B04]"))
    done = call(tmp_path, "run", text, "--on", '{"B04": 0.25, "dataMask": 1}')
    assert done.exit_code == 0
    assert done.stdout.splitlines() == ["sample 0: x 4  dataMask 1", "console.log: seen 0.25"]
    (tmp_path / "many.json").write_text('[{"B04": 0.5}, {"B04": 0, "dataMask": 0}, {"B04": null}]')
    done = call(tmp_path, "run", text, "--on", "many.json", "--json")
    outputs = [one["outputs"] for one in json.loads(done.stdout)["samples"]]
    assert outputs == [
        {"x": [2.0], "dataMask": [1.0]}, {"x": ["Infinity"], "dataMask": [0.0]}, {"x": [None], "dataMask": [1.0]}
    ]  # fmt: skip


def test_run_on_scenes(tmp_path: Path) -> None:
    pixel = (
        "function preProcessScenes(c) {\n"
        "  c.scenes.orbits = c.scenes.orbits.filter((o) => o.dateFrom > '2021');\n  return c }\n"
        "function evaluatePixel(s, scenes) { return { x: [s[0].B04 + s.length], dataMask: [scenes.orbits.length] } }"
    )
    given = [{"B04": 10, "date": "2020-05-01"}, {"B04": 20, "date": "2021-05-01"}]
    done = call(tmp_path, "run", script(pixel, mosaicking="ORBIT"), "--on", json.dumps(given))
    assert done.stdout.splitlines() == ["sample 0: x 21  dataMask 1"]


def test_run_a_script_of_the_process_api(tmp_path: Path) -> None:
    """Without a dataMask output it can still be tried."""
    text = '//VERSION=3\nfunction setup() { return { input: ["B04"], output: { bands: 2 } } }\n'
    done = call(tmp_path, "run", text + "function evaluatePixel(s) { return [s.B04, 7] }", "--on", '{"B04": 1}')
    assert done.stdout.splitlines() == ["sample 0: default [1, 7]"]


def test_run_tells_what_was_thrown_and_where(tmp_path: Path) -> None:
    done = call(tmp_path, "run", script("function evaluatePixel(s) {\n  return s.a.b }"), "--on", '{"B04": 1}')
    assert done.exit_code == 1
    assert "(line 10, column 14)" in done.stdout
    for wrong in ("nowhere.json", "{", '{"B08": 1}'):
        done = call(tmp_path, "run", script(), "--on", wrong)
        assert done.exit_code == 2
        assert done.stderr.startswith("arpent: ")
    done = call(tmp_path, "run", script() + "}", "--on", '{"B04": 1}')
    assert done.exit_code == 1
    assert "line 9" in done.stderr


def test_run_on_a_feature_of_a_request(catalog: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers are those that `arpent explain` tells of the same request."""
    server = Server(folder=tmp_path, catalog=catalog)
    for name, value in server.environment.items():
        if name.startswith("ARPENT_"):
            monkeypatch.setenv(name, value)
    write_geopackage(server.buckets / "fields" / "some.gpkg", good_parcels(), 32633)
    body = client.seed_body("s3://fields/some.gpkg", script(), aggregationInterval={"of": "P10D"})
    (tmp_path / "request.json").write_text(json.dumps(body))
    of_feature = ("--on", "request.json", "--feature", "3")
    done = call(tmp_path, "run", NDVI.text, *of_feature, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert {one["id"] for one in found["outputs"]} == {"index", "bands", "classes"}
    other = {**body, "input": body["input"], "aggregation": {**body["aggregation"], "evalscript": NDVI.text}}
    (tmp_path / "other.json").write_text(json.dumps(other))
    explained = CliRunner().invoke(app, ["explain", "other.json", "--feature", "3"])
    assert json.loads(explained.stdout) == found
    shown = call(tmp_path, "run", NDVI.text, *of_feature)
    assert "mean" in shown.stdout
    assert call(tmp_path, "run", NDVI.text, "--on", "request.json").exit_code == 2
