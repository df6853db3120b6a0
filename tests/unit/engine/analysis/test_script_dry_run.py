"""The dry run: in the job's own scenes, then in made-up ones; what fails everywhere is refused, the rest is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from arpent.adapters.scripts.v8.runtime import V8Runtime
from arpent.domain.errors import ScriptExecutionError
from arpent.domain.imagery.collection import Band, Collection, Unit
from arpent.domain.interval import Interval
from arpent.domain.ports.scripts import Scene
from arpent.domain.request import Source
from arpent.engine.analysis.dry_run_scenes import DryRunScenes
from arpent.engine.analysis.script_dry_run import dry_run
from arpent.engine.band_bindings import bind_input

S2 = Collection(
    id="s2",
    aliases=(),
    stac_collections=(),
    bands={
        "B04": Band(name="B04", assets=("B04",), units=(Unit(name="REFLECTANCE", scale=0.0001),)),
        "B08": Band(name="B08", assets=("B08",), units=(Unit(name="REFLECTANCE", scale=0.0001),)),
        "SCL": Band(name="SCL", assets=("SCL",), units=(Unit(name="DN"),), categorical=True),
    },
)
DATE = "const i = scenes.orbits.findIndex(o => o.dateFrom.startsWith('2023-08-13')); return [samples[i].B04]"


@pytest.fixture(scope="module")
def runtime() -> Iterator[V8Runtime]:
    with V8Runtime(20, 256, require_mask=False) as runtime:
        yield runtime


def seen(*days: int) -> DryRunScenes:
    """Days of August 2023, the newest first."""
    scenes = tuple(
        Scene(fields={"dateFrom": f"2023-08-{day:02}T00:00:00Z", "dateTo": f"2023-08-{day:02}T23:59:59Z", "tiles": []})
        for day in sorted(days, reverse=True)
    )
    start = datetime(2023, 8, min(days), tzinfo=UTC)
    return DryRunScenes(
        scenes=(scenes,), interval=Interval(start=start, end=datetime(2023, 9, 1, tzinfo=UTC)), made_up=False
    )


def told(
    runtime: V8Runtime,
    body: str,
    *worlds: DryRunScenes,
    more: str = "",
    mosaicking: str = "ORBIT",
    complete: bool = True,
) -> tuple[str, ...]:
    source = (
        '//VERSION=3\nfunction setup() { return { input: ["B04", "B08", "SCL"], output: { bands: 1 }, mosaicking: "'
        f'{mosaicking}" }} }}\n{more}\nfunction evaluatePixel(samples, scenes) {{ {body} }}'
    )
    with runtime.open(source) as session:
        binding = bind_input(session.evalscript.inputs[0], Source(id="0", collection="s2"), S2)
        return dry_run(session, [binding], worlds, complete=complete)


CHOSEN = """function preProcessScenes(c) {
  const days = ['2023-08-13', '2023-08-15', '2023-08-20'];
  c.scenes.orbits = c.scenes.orbits.filter(o => days.includes(o.dateFrom.slice(0, 10))); return c }"""
GLOBAL = "let first; function preProcessScenes(c) { first = c.scenes.orbits.map(o => o.dateFrom).sort()[0]; return c }"


@pytest.mark.parametrize(
    ("body", "more"),
    [
        ("return [samples[2].B04 - samples[0].B04]", CHOSEN),
        ("return [samples[2].B04 - samples[0].B04]", ""),
        ("return [Number(first.slice(8, 10))]", GLOBAL),
        ("return [first.length]", "let first; function filterScenes(s) { first = s[0].dateFrom; return s }"),
        (DATE, ""),
        ("if (samples.length !== 4) throw new Error('four'); return [1]", ""),
        ("return [total]", "let total; function updateOutput(o, c) { total = c.scenes[3].date.getTime() }"),
    ],
)
def test_the_scenes_are_the_jobs(runtime: V8Runtime, body: str, more: str) -> None:
    assert told(runtime, body, seen(10, 13, 15, 20), more=more) == ()


@pytest.mark.parametrize(
    ("body", "more", "message"),
    [
        ("return [samples[2].B04]", "", "in the 2 scenes from 2023-08-10T00:00:00Z: TypeError.*(line 4"),
        ("return [samples[0].B04]", "function preProcessScenes(c) { throw new Error('ouch') }", "ouch"),
        ("return [samples[0].B04]", "function filterScenes(s) { return [s[5]] }", "was not given"),
        (DATE, "", "TypeError"),
    ],
)
def test_what_real_data_may_not_show_is_told(runtime: V8Runtime, body: str, more: str, message: str) -> None:
    (hint,) = told(runtime, body, seen(10, 20), more=more, complete=False)
    assert hint.startswith("The script throws for all made-up samples")
    assert message.split(".*", maxsplit=1)[0] in hint
    assert message.rsplit(".*", maxsplit=1)[-1] in hint


def test_one_interval_that_works_is_enough_and_the_deepest_is_told(runtime: V8Runtime) -> None:
    (hint,) = told(runtime, DATE, seen(10, 12), seen(13))
    assert "2 scenes from 2023-08-10" in hint


def test_without_imagery_made_up_scenes_decide(runtime: V8Runtime) -> None:
    assert told(runtime, "return [samples[2].B04]") == ()
    (hint,) = told(runtime, DATE)
    assert "scenes that were made up, too" in hint


@pytest.mark.parametrize("mosaicking", ["SIMPLE", "ORBIT", "TILE"])
@pytest.mark.parametrize("complete", [True, False])
def test_an_undefined_name_is_refused_everywhere(runtime: V8Runtime, mosaicking: str, complete: bool) -> None:
    worlds = [seen(10, 20)] if mosaicking == "ORBIT" else []
    with pytest.raises(ScriptExecutionError, match="nothing is not defined"):
        told(runtime, "return [nothing]", *worlds, mosaicking=mosaicking, complete=complete)


def test_what_fails_in_all_scenes_is_refused(runtime: V8Runtime) -> None:
    with pytest.raises(ScriptExecutionError, match="no way"):
        told(runtime, "throw new Error('no way')", seen(10, 20), seen(13))
    assert told(runtime, "throw new Error('no way')", seen(10, 20), seen(13), complete=False)


@pytest.mark.parametrize(
    "body",
    [
        "if (samples.SCL !== 5) throw new Error('bare soil only'); return [1]",
        "if (samples.B04 < 0.9) throw new Error('bright only'); return [1]",
        "if (index(samples.B08, samples.B04) < 0.3) throw new Error('green only'); return [1]",
        "if (samples.B04 > 0) throw new Error('no data only'); return [1]",
    ],
)
def test_a_script_without_scenes_may_throw_for_some(runtime: V8Runtime, body: str) -> None:
    assert told(runtime, body, mosaicking="SIMPLE") == ()


def test_a_script_without_scenes_may_not_throw_for_all(runtime: V8Runtime) -> None:
    with pytest.raises(ScriptExecutionError, match="Cannot read properties"):
        told(runtime, "return [samples.no.way]", mosaicking="SIMPLE")
