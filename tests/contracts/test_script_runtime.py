"""What every ScriptRuntime does with scripts that do not attack it."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from arpent.adapters.scripts.v8.runtime import V8Runtime
from arpent.domain.errors import ScriptExecutionError, ScriptOutOfMemory, ScriptSetupError, ScriptSyntaxError
from arpent.domain.evalscript import Gap, GapKind
from arpent.domain.interval import Interval
from arpent.domain.ports.scripts import Scene, ScriptAnswer, ScriptInput, ScriptSession
from arpent.evalscript.layout import SEGMENTS

OUTPUTS = 'output: [{ id: "x", bands: 1 }, { id: "dataMask", bands: 1 }]'
PLAIN = (1.0, 0.0)
MONTH = Interval(start=datetime(2020, 6, 1, tzinfo=UTC), end=datetime(2020, 7, 1, tzinfo=UTC))


def script(pixel: str, inputs: str = '["B04", "dataMask"]', more: str = "", mosaicking: str = "SIMPLE") -> str:
    return (
        f'//VERSION=3\nfunction setup() {{ return {{ input: {inputs}, {OUTPUTS}, mosaicking: "{mosaicking}" }} }}\n'
        f"function evaluatePixel(samples, scenes, inputMetadata, customData, outputMetadata) {{\n{pixel}\n}}\n{more}"
    )


@pytest.fixture(scope="module")
def runtime() -> Iterator[V8Runtime]:
    with V8Runtime(20, 256) as runtime:
        yield runtime


def samples(*arrays: object, scales: tuple[tuple[float, float], ...] | None = None, scenes: int = 0) -> ScriptInput:
    values = tuple(np.asarray(array) for array in arrays)
    return ScriptInput(values=values, scales=scales or (PLAIN,) * len(values), scenes=orbits(scenes))


def orbits(count: int) -> tuple[Scene, ...]:
    days = [f"2020-06-{day:02}" for day in range(count, 0, -1)]
    return tuple(
        Scene(
            fields={
                "dateFrom": f"{day}T00:00:00Z",
                "dateTo": f"{day}T23:59:59Z",
                "tiles": [{"date": f"{day}T10:08:08Z"}],
            }
        )
        for day in days
    )


def whole(array: ScriptInput) -> np.ndarray:
    return np.array([0, array.values[0].shape[-1]])


def run(session: ScriptSession, *inputs: ScriptInput) -> ScriptAnswer:
    return session.evaluate(inputs, whole(inputs[0]))


def value(runtime: V8Runtime, source: str, *inputs: ScriptInput) -> list[float]:
    with runtime.open(source) as session:
        answer = run(session, *inputs)
    assert not answer.failures, answer.failures
    return list(answer.values[0])


ONE = samples(np.array([5.0]), np.array([1], np.uint8))


class TestWhatComesBack:
    @pytest.mark.parametrize(
        ("returned", "expected"),
        [
            ("{ x: [3], dataMask: [1] }", [3, 1]),
            ("{ x: [3, 4, 5], dataMask: [1, 0] }", [3, 1]),
            ("{ x: 3, dataMask: 1 }", [3, 1]),
            ("{ x: [true], dataMask: [false] }", [1, 0]),
            ("{ x: ['3.5'], dataMask: ['x'] }", [3.5, np.nan]),
            ("{ x: [null], dataMask: [undefined] }", [np.nan, np.nan]),
            ("{ x: [], dataMask: [1] }", [np.nan, 1]),
            ("{ x: [1 / 0], dataMask: [0 / 0] }", [np.inf, np.nan]),
            ("{ x: new Float32Array([7]), dataMask: [1] }", [7, 1]),
            ("{ dataMask: [1] }", [np.nan, 1]),
            ("{ y: [1], dataMask: [1] }", [np.nan, 1]),
            ("[3]", [3, np.nan]),
            ("3", [3, np.nan]),
            ("null", [np.nan, np.nan]),
            ("", [np.nan, np.nan]),
        ],
    )
    def test_is_coerced(self, runtime: V8Runtime, returned: str, expected: list[float]) -> None:
        with runtime.open(script(f"return {returned}")) as session:
            answer = run(session, ONE)
        assert not answer.failures
        np.testing.assert_array_equal(answer.values[:, 0], expected)

    @pytest.mark.parametrize(
        "returned", ["{ x: [3n] }", "{ x: [Symbol()] }", "{ x: [() => 1] }", "{ x: [[1]] }", "() => 1"]
    )
    def test_or_refused(self, runtime: V8Runtime, returned: str) -> None:
        with runtime.open(script(f"return {returned}")) as session:
            answer = run(session, ONE)
        assert "TypeError" in str(answer.failures[0])
        assert np.isnan(answer.values).all()

    def test_missing_output_is_noted(self, runtime: V8Runtime) -> None:
        with runtime.open(script("return samples.B04 > 1 ? { y: [1], dataMask: [1] } : undefined")) as session:
            answer = run(session, samples([5.0, 6.0, 0.0], np.ones(3, np.uint8)))
        assert answer.gaps == (
            Gap(kind=GapKind.MISSING_OUTPUT, output="x", samples=2),
            Gap(kind=GapKind.NOTHING, samples=1),
        )
        assert answer.log == ()

    def test_a_gap_is_counted_over_all_passes(self, runtime: V8Runtime) -> None:
        count = SEGMENTS + 5  # one pass has at most SEGMENTS segments
        with runtime.open(script("return samples.B04 > 1 ? undefined : { x: [1], dataMask: [1] }")) as session:
            answer = session.evaluate([samples([5.0] * count, np.ones(count, np.uint8))], np.arange(count + 1))
        assert answer.gaps == (Gap(kind=GapKind.NOTHING, samples=count),)

    def test_a_line_of_the_script_is_no_gap(self, runtime: V8Runtime) -> None:
        words = "evaluatePixel returned nothing for 7 samples"
        with runtime.open(script(f"console.log('{words}'); return {{ x: [1], dataMask: [1] }}")) as session:
            answer = run(session, ONE)
        assert (answer.log, answer.gaps) == ((words,), ())


class TestFilterScenes:
    """The older way to choose scenes: filterScenes(scenes, inputMetadata)."""

    def chosen(self, runtime: V8Runtime, more: str, mosaicking: str = "ORBIT") -> tuple[tuple[int, ...], ...]:
        with runtime.open(script("return 1", more=more, mosaicking=mosaicking)) as session:
            assert "filterScenes" in session.evalscript.functions
            return session.preprocess([orbits(4)], MONTH)

    @pytest.mark.parametrize(
        ("body", "rows"),
        [
            ("return scenes.filter(s => s.date.getUTCDate() !== 3)", (0, 2, 3)),
            ("return scenes.filter(function (s) { return s.date >= m.from && s.date <= m.to })", (0, 1, 2, 3)),
            ("return scenes.filter(s => s.date.getTime() >= m.to.getTime() - 28 * 24 * 3600e3)", (0, 1)),
            ("scenes.sort((a, b) => a.date - b.date); return scenes", (3, 2, 1, 0)),
            ("return scenes.map(s => ({ ...s }))", (0, 1, 2, 3)),
            ("return []", ()),
        ],
    )
    def test_keeps_what_it_returns(self, runtime: V8Runtime, body: str, rows: tuple[int, ...]) -> None:
        assert self.chosen(runtime, f"function filterScenes(scenes, m) {{ {body} }}") == (rows,)
        assert self.chosen(runtime, f"const filterScenes = (scenes, m) => {{ {body} }}") == (rows,)

    def test_is_asked_about_what_preprocess_scenes_left(self, runtime: V8Runtime) -> None:
        more = """function preProcessScenes(c) { c.scenes.orbits = c.scenes.orbits.slice(1).reverse(); return c }
            function filterScenes(scenes) { return scenes.slice(1) }"""
        assert self.chosen(runtime, more) == ((2, 1),)

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ("", "must return an array"),
            ("return { scenes }", "must return an array"),
            ("return [{ date: new Date() }]", "a scene that it was not given"),
            ("return [...scenes, scenes[0]]", "more than it was given"),
            ("return { length: 1e9, __proto__: scenes }", "must return an array"),
            ("throw new Error('no')", "no"),
        ],
    )
    def test_says_what_is_wrong(self, runtime: V8Runtime, body: str, message: str) -> None:
        with pytest.raises(ScriptExecutionError, match=message):
            self.chosen(runtime, f"function filterScenes(scenes) {{ {body} }}")

    def test_is_refused_with_several_inputs(self, runtime: V8Runtime) -> None:
        inputs = '[{ datasource: "a", bands: ["B04"] }, { datasource: "b", bands: ["B04"] }]'
        source = script("return 1", inputs, more="function filterScenes(s) { return s }", mosaicking="TILE")
        with pytest.raises(ScriptSetupError, match="write preProcessScenes"), runtime.open(source):
            pass


class TestOlderScripts:
    @pytest.mark.parametrize(
        ("setup", "message"),
        [
            ("function setup(ds) { setInputComponents([ds.B04]); setOutputComponentCount(1) }", "of version 1"),
            ("function setup(dss) { setOutputComponentCount(3) }", r"output: \[\{ id"),
            ("function setup(ds) { return { components: [ds.B04], output: [{ id: 'x' }] } }", "B04.*has a parameter"),
            ("const setup = ds => ({ components: [ds.B04] })", "B04.*has a parameter"),
            (
                "function setup() { return { components: ['B04'], output: [{ id: 'x' }] } }",
                "`components` is of version",
            ),
            (
                "function setup() { return { input: ['B04'], output: [{ id: 'x', componentCount: 1 }] } }",
                r"setup\(\).output: `componentCount` is of version 2; in version 3 write bands",
            ),
            (
                "function setup() { return { input: ['B04'], temporal: true, output: { bands: 1 } } }",
                'write mosaicking: "ORBIT"',
            ),
        ],
    )
    def test_are_told_what_to_write_instead(self, runtime: V8Runtime, setup: str, message: str) -> None:
        source = f"//VERSION=3\n{setup}\nfunction evaluatePixel(s) {{ return [1] }}"
        with pytest.raises(ScriptSetupError, match=message), runtime.open(source):
            pass

    def test_a_name_of_version_1_in_a_pixel(self, runtime: V8Runtime) -> None:
        with runtime.open(script("return new HighlightCompressVisualizerSingle(0, 1).process(0)")) as session:
            answer = run(session, ONE)
        assert "write new HighlightCompressVisualizer(min, max)" in str(answer.failures[0])

    @pytest.mark.parametrize(
        ("wrong", "right", "message"),
        [
            ("evaluatepixel", "evaluatePixel", "did you mean 'evaluatePixel' by 'evaluatepixel'"),
            ("setUp", "setup", "did you mean 'setup' by 'setUp'"),
        ],
    )
    def test_a_misspelt_function_is_named(self, runtime: V8Runtime, wrong: str, right: str, message: str) -> None:
        source = script("return 1").replace(f"function {right}(", f"function {wrong}(")
        with pytest.raises(ScriptSetupError, match=message), runtime.open(source):
            pass


WHOLE = 'output: [{ id: "x", bands: 2, sampleType: "UINT16" }, { id: "dataMask", bands: 1 }]'


class TestUndefinedInAnIntegerOutput:
    """It counts as 0, as in the real service (sentinelhub.md 11); what does not come back at all is no data."""

    @pytest.mark.parametrize(
        ("returned", "expected"),
        [
            ("{ x: [samples.CLM, 3], dataMask: [1] }", [0, 3, 1]),
            ("{ x: [undefined, null], dataMask: [1] }", [0, 0, 1]),
            ("{ x: [7], dataMask: [1] }", [7, 0, 1]),
            ("{ x: [], dataMask: [1] }", [0, 0, 1]),
            ("{ x: 7, dataMask: [1] }", [7, 0, 1]),
            ("{ x: [samples.CLM * 2, 0 / 0], dataMask: [1] }", [np.nan, np.nan, 1]),
            ("{ x: ['a', true], dataMask: [1] }", [np.nan, 1, 1]),
            ("{ x: new Uint8Array(1), dataMask: [1] }", [0, 0, 1]),
            ("{ x: [1, 2], dataMask: [undefined] }", [1, 2, np.nan]),
            ("{ x: undefined, dataMask: [1] }", [np.nan, np.nan, 1]),
            ("{ dataMask: [1] }", [np.nan, np.nan, 1]),
            ("[, 4]", [0, 4, np.nan]),
            ("null", [np.nan, np.nan, np.nan]),
            ("", [np.nan, np.nan, np.nan]),
        ],
    )
    def test_is_zero(self, runtime: V8Runtime, returned: str, expected: list[float]) -> None:
        with runtime.open(script(f"return {returned}").replace(OUTPUTS, WHOLE)) as session:
            answer = run(session, ONE)
        assert not answer.failures
        np.testing.assert_array_equal(answer.values[:, 0], expected)

    def test_is_noted(self, runtime: V8Runtime) -> None:
        pixel = "return samples.B04 > 1 ? { x: [samples.CLM], dataMask: [1] } : { x: [1, 2], dataMask: [1] }"
        with runtime.open(script(pixel).replace(OUTPUTS, WHOLE)) as session:
            answer = run(session, samples([5.0, 6.0, 0.0], np.ones(3, np.uint8)))
        assert answer.gaps == (Gap(kind=GapKind.UNDEFINED_AS_ZERO, output="x", samples=2),)
        assert str(answer.gaps[0]) == (
            "output x held undefined, which counts as 0 in an integer sampleType, in what evaluatePixel returned for "
            "2 samples"
        )


class TestSamples:
    def test_simple(self, runtime: V8Runtime) -> None:
        pixel = (
            "const right = Object.keys(samples).join() === 'B04,dataMask' && JSON.stringify(scenes) === '{}';"
            "return { x: [right], dataMask: [1] }"
        )
        assert value(runtime, script(pixel), ONE) == [1]

    @pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8", "i8", "?", ">u2"])
    def test_kinds(self, runtime: V8Runtime, kind: str) -> None:
        numbers = np.array([0, 1, 100]).astype(kind)
        given = samples(numbers, np.ones(3, np.uint8))
        assert value(runtime, script("return { x: [samples.B04], dataMask: [1] }"), given) == numbers.tolist()

    def test_scaled_in_doubles(self, runtime: V8Runtime) -> None:
        numbers = np.arange(10001, dtype=np.uint16)
        given = samples(numbers, np.ones(10001, np.uint8), scales=((0.0001, -0.2), PLAIN))
        assert (
            value(runtime, script("return { x: [samples.B04], dataMask: [1] }"), given)
            == (numbers * 0.0001 + -0.2).tolist()
        )

    @pytest.mark.parametrize("scenes", [0, 1, 3, 32, 33, 60])
    def test_orbits(self, runtime: V8Runtime, scenes: int) -> None:
        values = np.arange(scenes * 7, dtype=np.uint16).reshape(scenes, 7)
        pixel = (
            "if (samples.length !== scenes.orbits.length) throw 1; let t = 0;"
            "for (const s of samples) t = 3 * t + s.B04; return { x: [t], dataMask: [1] }"
        )
        given = samples(values, np.ones((scenes, 7), np.uint8), scenes=scenes)
        expected = np.zeros(7)
        for row in values:
            expected = 3 * expected + row
        assert value(runtime, script(pixel, mosaicking="ORBIT"), given) == expected.tolist()

    def test_a_script_may_keep_and_change_its_samples(self, runtime: V8Runtime) -> None:
        pixel = (
            "if (!first) first = samples; else first.B04 += 1; samples.new = 1;"
            "return { x: [first.B04 + samples.B04], dataMask: [1] }"
        )
        assert value(runtime, script(pixel, more="let first;"), samples([1.0, 10.0, 20.0], np.ones(3))) == [2, 12, 23]

    def test_fusion(self, runtime: V8Runtime) -> None:
        inputs = '[{ datasource: "a", bands: ["B04"] }, { bands: ["B04"], mosaicking: "ORBIT" }]'
        pixel = (
            "const lengths = samples.a.length + scenes['1'].orbits.length;"
            "return { x: [samples.a[0].B04 * 100 + samples['1'][1].B04 * 10 + lengths], dataMask: [1] }"
        )
        first, second = samples([1, 2]), samples([[3, 4], [5, 6]], scenes=2)
        assert value(runtime, script(pixel, inputs), first, second) == [153, 263]

    def test_fusion_without_a_mosaic(self, runtime: V8Runtime) -> None:
        inputs = '[{ datasource: "a", bands: ["B04"] }, { datasource: "b", bands: ["B04"] }]'
        pixel = "return { x: [samples.b.length], dataMask: [1] }"
        assert value(runtime, script(pixel, inputs), samples([1, 2]), samples(np.empty((0, 2)))) == [0, 0]

    def test_in_many_passes_globals_live_on(self, runtime: V8Runtime) -> None:
        count = 700_001
        with runtime.open(script("n += 1; return { x: [n], dataMask: [samples.B04] }", more="let n = 0;")) as session:
            run(session, ONE)
            answer = run(session, samples(np.arange(count), np.ones(count)))
        np.testing.assert_array_equal(answer.values[0], np.arange(2, count + 2))
        np.testing.assert_array_equal(answer.values[1], np.arange(count))


class TestSegments:
    def test_an_exception_costs_its_segment_only(self, runtime: V8Runtime) -> None:
        pixel = "if (samples.B04 === 4)\n  throw new RangeError('four')\nreturn { x: [samples.B04], dataMask: [1] }"
        with runtime.open(script(pixel)) as session:
            answer = session.evaluate([samples(np.arange(9.0), np.ones(9))], np.array([0, 3, 3, 6, 9]))
        assert set(answer.failures) == {2}
        error = answer.failures[2]
        assert isinstance(error, ScriptExecutionError)
        assert (error.args[0], error.line, error.column) == ("RangeError: four", 5, 9)
        np.testing.assert_array_equal(answer.values[0], [0, 1, 2, np.nan, np.nan, np.nan, 6, 7, 8])

    def test_across_passes(self, runtime: V8Runtime) -> None:
        count = 600_000
        pixel = (
            "if (samples.B04 === 10) { seen += 1; throw new Error(seen) } return { x: [samples.B04], dataMask: [1] }"
        )
        offsets = np.array([0, 5, 500_000, count])
        with runtime.open(script(pixel, more="let seen = 0;")) as session:
            answer = session.evaluate([samples(np.arange(count), np.ones(count))], offsets)
        assert set(answer.failures) == {1}
        assert np.isnan(answer.values[:, 5:500_000]).all()
        np.testing.assert_array_equal(answer.values[0, 500_000:], np.arange(500_000, count))

    def test_many_tiny_ones(self, runtime: V8Runtime) -> None:
        count = 40_000
        with runtime.open(script("if (samples.B04 % 2) throw 'odd'; return { x: [1], dataMask: [1] }")) as session:
            answer = session.evaluate([samples(np.arange(count), np.ones(count))], np.arange(count + 1))
        assert sorted(answer.failures) == list(range(1, count, 2))
        assert str(answer.failures[39_999]) == "odd"

    @pytest.mark.parametrize("letter", ["x", "\\u0001"])
    def test_long_messages_from_all_of_many(self, runtime: V8Runtime, letter: str) -> None:
        """Their texts alone would be 40 megabytes; what does not fit says what the one before it said."""
        text = (
            f"const e = new Error(samples.B04 + '{letter}'.repeat(500)); "
            f"e.stack = e.message + '{letter}'.repeat(2000); throw e"
        )
        count = 16_384
        with runtime.open(script(text)) as session:
            answer = session.evaluate([samples(np.arange(count), np.ones(count))], np.arange(count + 1))
        assert set(answer.failures) == set(range(count))
        assert str(answer.failures[0]).startswith("Error: 0")
        assert str(answer.failures[10]).startswith("Error: 10")
        assert str(answer.failures[count - 1]) == str(answer.failures[count // 2])

    def test_too_many_buffers_are_a_failure_of_the_segment(self, runtime: V8Runtime) -> None:
        with runtime.open(script("new Uint8Array(3e9); return 1")) as session:
            answer = run(session, ONE)
            assert isinstance(answer.failures[0], ScriptOutOfMemory)
            assert isinstance(run(session, ONE).failures[0], ScriptOutOfMemory)


class TestScenes:
    def test_orbits_tell_what_the_documentation_says(self, runtime: V8Runtime) -> None:
        pixel = """console.log(JSON.stringify(scenes));
        console.log(scenes.length, scenes[0].date.getUTCDate(), scenes.map(s => 1).length);
        console.log(inputMetadata, customData, Object.keys(outputMetadata)); return { x: [1], dataMask: [1] }"""
        with runtime.open(script(pixel, mosaicking="ORBIT")) as session:
            log = run(session, samples(np.ones((2, 1)), np.ones((2, 1)), scenes=2)).log
        assert log[0].startswith(
            '{"orbits":[{"dateFrom":"2020-06-02T00:00:00Z","dateTo":"2020-06-02T23:59:59Z","tiles":[{"date"'
        )
        assert log[1] == "2 2 2"
        assert '"normalizationFactor":0.0001} {} ["userData"]' in log[2]

    def test_preprocess(self, runtime: V8Runtime) -> None:
        more = """function preProcessScenes(collections) {
          if (collections.from.getTime() !== Date.UTC(2020, 5, 1)) throw new Error('from');
          if (collections.scenes.orbits[0].tiles) throw new Error('tiles');
          collections.scenes.orbits = collections.scenes.orbits.filter(o => new Date(o.dateFrom).getUTCDate() !== 2)
            .sort((a, b) => new Date(a.dateFrom) - new Date(b.dateFrom)).map(o => ({ ...o }));
          return collections }"""
        with runtime.open(script("return 1", more=more, mosaicking="ORBIT")) as session:
            assert session.preprocess([orbits(3)], MONTH) == ((2, 0),)

    def test_preprocess_makes_no_scenes(self, runtime: V8Runtime) -> None:
        """Memory is counted for those that there are."""
        for scenes in ("o.concat(o)", "new Proxy(o, { get: (list, key) => key === 'length' ? 1e9 : list[0] })"):
            more = f"function preProcessScenes(c) {{ const o = c.scenes.orbits; c.scenes.orbits = {scenes}; return c }}"
            with (
                runtime.open(script("return 1", more=more, mosaicking="ORBIT")) as session,
                pytest.raises(ScriptExecutionError, match="more than it was given"),
            ):
                session.preprocess([orbits(3)], MONTH)

    def test_preprocess_of_fusion(self, runtime: V8Runtime) -> None:
        inputs = '[{ datasource: "a", bands: ["B04"] }, { datasource: "b", bands: ["B04"], mosaicking: "TILE" }]'
        more = "function preProcessScenes(c) { c.b.scenes.tiles = c.b.scenes.tiles.reverse(); return c }"
        tiles = [Scene(fields={"date": f"2020-06-0{day}T10:00:00Z"}) for day in (1, 2)]
        with runtime.open(script("return 1", inputs, more)) as session:
            assert session.preprocess([(), tiles], MONTH) == ((), (1, 0))

    @pytest.mark.parametrize(
        "body", ["", "return 5", "return {}", "c.scenes.orbits = [{}]; return c", "throw new Error('no')"]
    )
    def test_preprocess_that_fails(self, runtime: V8Runtime, body: str) -> None:
        with (
            runtime.open(
                script("return 1", more=f"function preProcessScenes(c) {{ {body} }}", mosaicking="ORBIT")
            ) as session,
            pytest.raises(ScriptExecutionError),
        ):
            session.preprocess([orbits(2)], MONTH)

    def test_update_output(self, runtime: V8Runtime) -> None:
        more = """function updateOutput(output, collection) {
          output.x.bands = collection.scenes.length * (collection.scenes[0].date instanceof Date) }"""
        pixel = "return { x: samples.map(s => s.B04), dataMask: [1] }"
        with runtime.open(script(pixel, more=more, mosaicking="ORBIT")) as session:
            for count in (3, 100):
                changed = session.update_output([orbits(min(count, 28))] if count < 29 else [orbits(3) * 34])
                assert changed.outputs[0].bands[-1] == f"B{len(changed.outputs[0].bands) - 1}"
                scenes = len(changed.outputs[0].bands)
                given = ScriptInput(
                    values=(np.arange(scenes * 2.0).reshape(scenes, 2), np.ones((scenes, 2))),
                    scales=(PLAIN, PLAIN),
                    scenes=orbits(1) * scenes,
                )
                answer = run(session, given)
                np.testing.assert_array_equal(answer.values[:-1], given.values[0])

    def test_update_output_to_nonsense(self, runtime: V8Runtime) -> None:
        more = "function updateOutput(output) { output.x.bands = 'many' }"
        with (
            runtime.open(script("return 1", more=more)) as session,
            pytest.raises(ScriptExecutionError, match=r"output\.x\.bands"),
        ):
            session.update_output([()])

    def test_update_output_metadata_is_called_at_the_end_and_harms_nobody(self, runtime: V8Runtime) -> None:
        more = """let n = 0;
          function updateOutputMetadata(s, i, o) { console.log('end', n, o.userData); throw new Error('late') }"""
        with runtime.open(
            script("n++; outputMetadata.userData = 7; return { x: [1], dataMask: [1] }", more=more)
        ) as session:
            answer = run(session, samples([1, 2], [1, 1]))
        assert answer.log == ("end 2 7", "updateOutputMetadata: Error: late")
        assert answer.values.tolist() == [[1, 1], [1, 1]]


class TestMessages:
    @pytest.mark.parametrize(
        ("text", "message", "place"),
        [
            (
                "//VERSION=3\nfunction setup() {\n  return { input = 3 }\n}",
                "SyntaxError: Invalid shorthand property initializer",
                (3, 12),
            ),
            ("//VERSION=3\nlet a = ;", "SyntaxError: Unexpected token ';'", (2, 9)),
            ("//VERSION=3\nlet a = 1\nlet a = 2", "SyntaxError: Identifier 'a' has already been declared", (3, 5)),
            ("//VERSION=3\nfunction setup() {", "SyntaxError: Unexpected token ')'", (2, 19)),
        ],
    )
    def test_syntax(self, runtime: V8Runtime, text: str, message: str, place: tuple[int, int]) -> None:
        with pytest.raises(ScriptSyntaxError) as raised, runtime.open(text):
            pass
        assert (raised.value.args[0], raised.value.line, raised.value.column) == (message, *place)

    def test_setup_that_throws(self, runtime: V8Runtime) -> None:
        text = "\n//VERSION=3\nfunction evaluatePixel() {}\nfunction setup() {\n  return nothing }"
        with (
            pytest.raises(ScriptSetupError, match=r"ReferenceError: nothing is not defined \(line 5, column 3\)"),
            runtime.open(text),
        ):
            pass

    @pytest.mark.parametrize(
        ("pixel", "error_class", "undefined"),
        [
            ("return nowhere", "ReferenceError", "nowhere"),
            ("const early = late; let late = 1", "ReferenceError", ""),
            ("return undefined.x", "TypeError", ""),
            ("throw new (class Own extends RangeError {})('x')", "RangeError", ""),
            ("ReferenceError = TypeError; throw new ReferenceError('x is not defined')", "TypeError", ""),
            ("const own = new Error('x is not defined'); own.name = 'ReferenceError'; throw own", "Error", ""),
            ("throw { name: 'ReferenceError', toString: () => 'ReferenceError: x is not defined' }", "", ""),
            ("throw new Proxy({}, { getPrototypeOf() { throw 1 } })", "", ""),
            ("throw 5", "", ""),
        ],
    )
    def test_the_class_is_the_one_that_the_script_was_given(
        self, runtime: V8Runtime, pixel: str, error_class: str, undefined: str
    ) -> None:
        with runtime.open(script(pixel)) as session:
            error = run(session, ONE).failures[0]
        assert (error.error_class, error.undefined) == (error_class, undefined)

    def test_text_that_throws_while_it_is_loaded(self, runtime: V8Runtime) -> None:
        with pytest.raises(ScriptSetupError, match="line 2"), runtime.open("//VERSION=3\nnothing();"):
            pass

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("//VERSION=3", "", "//VERSION=3"),
            ("//VERSION=3", "//VERSION=2", "version 2"),
            ("evaluatePixel", "evaluatePixels", "evaluatePixel"),
            ("setup", "setUp", "setup"),
            (
                'mosaicking: "SIMPLE"',
                "mosaicking: Mosaicking.TILES",
                "Mosaicking.TILES does not exist; did you mean Mosaicking.TILE",
            ),
            ("bands: 1 },", "bands: 1, sampleType: SampleType.FLOAT },", "did you mean SampleType.FLOAT32"),
        ],
    )
    def test_setup_that_cannot_be_acted_on(self, runtime: V8Runtime, old: str, new: str, message: str) -> None:
        with pytest.raises(ScriptSetupError) as raised, runtime.open(script("return 1").replace(old, new, 1)):
            pass
        assert message in str(raised.value)

    def test_functions_of_any_kind_are_found(self, runtime: V8Runtime) -> None:
        text = f"""
        // VERSION=3
        const setup = () => ({{ input: ["B04"], {OUTPUTS} }})
        let evaluatePixel = (s) => ({{ x: [index(s.B04, 1)], dataMask: [1] }}) // no line break after this"""
        assert value(runtime, text, samples([3.0])) == [0.5]

    def test_mask_may_be_left_out_where_the_operator_says_so(self) -> None:
        text = """//VERSION=3
        function setup() { return { input: ["B04"], output: { bands: 2 } } }
        function evaluatePixel(s) { return [s.B04, 1] }"""
        with pytest.raises(ScriptSetupError, match='id: "dataMask"'), V8Runtime(5, 64) as strict, strict.open(text):
            pass
        with V8Runtime(5, 64, require_mask=False) as lax, lax.open(text) as session:
            assert run(session, samples([4.0])).values.tolist() == [[4], [1]]


class TestProcesses:
    def test_pickled_into_another_process(self, runtime: V8Runtime) -> None:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert pool.apply(_in_another_process, (pickle.dumps(runtime),)) == [2.0]

    def test_a_killed_owner_leaves_no_process_behind(self) -> None:
        code = (
            "import sys, time; from arpent.adapters.scripts.v8.runtime import V8Runtime\n"
            "runtime = V8Runtime(60, 64); session = runtime.open(sys.argv[1]); session.__enter__()\n"
            "print('ready', flush=True); time.sleep(60)"
        )
        owner = subprocess.Popen([sys.executable, "-c", code, script("return 1")], stdout=subprocess.PIPE, text=True)
        assert owner.stdout is not None
        with owner.stdout:
            assert owner.stdout.readline() == "ready\n"
            family = _descendants(owner.pid)
            assert len(family) == 2
            os.kill(owner.pid, signal.SIGKILL)
            owner.wait()
        until = time.monotonic() + 60
        while any(Path(f"/proc/{process}").exists() for process in family) and time.monotonic() < until:
            time.sleep(0.02)
        assert not any(_alive(process) for process in family)

    def test_a_killed_zygote_is_replaced(self) -> None:
        others = set(_zygotes())
        with V8Runtime(5, 64) as runtime:
            for _ in range(2):
                with runtime.open(script("return { x: [1], dataMask: [1] }")) as session:
                    assert run(session, ONE).values[0].tolist() == [1]
                (zygote,) = set(_zygotes()) - others
                os.kill(zygote, signal.SIGKILL)


def _in_another_process(pickled: bytes) -> list[float]:
    with pickle.loads(pickled) as runtime:
        return value(runtime, script("return { x: [2], dataMask: [1] }"), ONE)


def _zygotes() -> list[int]:
    """Those that this process started."""
    children = map(int, Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
    return [child for child in children if b"v8.zygote" in Path(f"/proc/{child}/cmdline").read_bytes()]


def _descendants(process: int) -> list[int]:
    path = Path(f"/proc/{process}/task/{process}/children")
    direct = [int(word) for word in path.read_text().split()] if path.exists() else []
    return direct + [below for child in direct for below in _descendants(child)]


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
