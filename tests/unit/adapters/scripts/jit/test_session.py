"""A compiled session gives what the interpreter gives, asks it enough, and believes it in case of doubt."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from arpent.adapters.scripts.jit.runtime import CompiledRuntime
from arpent.adapters.scripts.jit.session import choice, same
from arpent.adapters.scripts.v8.runtime import V8Runtime
from arpent.domain.evalscript import Evalscript
from arpent.domain.interval import Interval
from arpent.domain.ports.scripts import MachineCode, Scene, ScriptAnswer, ScriptInput, ScriptSession

SETUP = (
    "//VERSION=3\nfunction setup() { return { input: ['a'], output: [{ id: 'x', bands: 1 }, "
    "{ id: 'dataMask', bands: 1 }] } }\nfunction evaluatePixel(s) { "
)
TWICE = SETUP + "return { x: [2 * s.a], dataMask: [1] } }"
ROOT = SETUP + "return { x: [Math.sqrt(s.a)], dataMask: [s.a > 0 ? 1 : undefined] } }"


@dataclass
class Spied:
    """An interpreter's session that counts its calls, and returns wrong values if asked to."""

    inner: ScriptSession
    calls: list[int]
    lie: float

    @property
    def evalscript(self) -> Evalscript:
        return self.inner.evalscript

    def preprocess(self, scenes: Sequence[Sequence[Scene]], interval: Interval) -> tuple[tuple[int, ...], ...]:
        return self.inner.preprocess(scenes, interval)

    def update_output(self, scenes: Sequence[Sequence[Scene]]) -> Evalscript:
        return self.inner.update_output(scenes)

    def evaluate(
        self, inputs: Sequence[ScriptInput], offsets: NDArray[np.int64], seconds: float | None = None
    ) -> ScriptAnswer:
        answer = self.inner.evaluate(inputs, offsets, seconds)
        self.calls.append(answer.values.shape[1])
        return replace(answer, values=answer.values + self.lie)

    def machine_code(self, inputs: Sequence[ScriptInput]) -> MachineCode | None:
        return self.inner.machine_code(inputs)


@dataclass
class Spy:
    """A runtime of such sessions."""

    inner: V8Runtime
    calls: list[int] = field(default_factory=list)
    lie: float = 0.0
    opened: int = 0

    @property
    def seconds(self) -> float:
        return self.inner.seconds

    @contextmanager
    def open(self, script: str) -> Iterator[ScriptSession]:
        self.opened += 1
        with self.inner.open(script) as session:
            yield Spied(session, self.calls, self.lie)


@pytest.fixture(scope="module")
def interpreters() -> Iterator[V8Runtime]:
    with V8Runtime(20, 128) as runtime:
        yield runtime


@pytest.fixture
def spy(interpreters: V8Runtime) -> Spy:
    return Spy(interpreters)


def given(numbers: NDArray[np.generic], scale: tuple[float, float] = (1.0, 0.0)) -> list[ScriptInput]:
    return [ScriptInput(values=(numbers,), scales=(scale,))]


def test_the_interpreter_sees_some_thousand_samples(spy: Spy) -> None:
    numbers = np.arange(100_000.0)
    with CompiledRuntime(spy, least=0).open(TWICE) as session:
        for _ in range(4):
            answer = session.evaluate(given(numbers), np.array([0, 10, 100_000]))
            np.testing.assert_array_equal(answer.values, [2 * numbers, np.ones(100_000)])
    assert sum(spy.calls) == 4096
    assert spy.opened == 1


def test_the_interpreter_sees_less_of_a_script_that_it_knows(spy: Spy) -> None:
    """It looks into the first sessions and now and then into another; the others do without an interpreter."""
    runtime = CompiledRuntime(spy, least=0)
    numbers = np.arange(10_000.0)
    for _ in range(33):
        with runtime.open(TWICE) as session:
            answer = session.evaluate(given(numbers), np.array([0, 10_000]))
            np.testing.assert_array_equal(answer.values, [2 * numbers, np.ones(10_000)])
    assert len(spy.calls) == spy.opened == 6
    assert all(1000 < count <= 4096 for count in spy.calls)


def test_a_lie_is_noticed_later_too(spy: Spy, caplog: pytest.LogCaptureFixture) -> None:
    runtime = CompiledRuntime(spy, least=0)
    numbers = np.arange(9000.0)
    for number in range(18):
        spy.lie = 1e-12 if number > 10 else 0.0
        with runtime.open(TWICE) as session, caplog.at_level(logging.WARNING):
            values = session.evaluate(given(numbers), np.array([0, 9000])).values
        np.testing.assert_array_equal(values[0], 2 * numbers + (1e-12 if number >= 16 else 0.0))
    assert len(caplog.records) == 1


def test_a_lie_ends_the_trust(spy: Spy, caplog: pytest.LogCaptureFixture) -> None:
    runtime = CompiledRuntime(spy, least=0)
    spy.lie = 1e-12
    for _ in range(2):
        with runtime.open(TWICE) as session, caplog.at_level(logging.WARNING):
            values = session.evaluate(given(np.arange(9000.0)), np.array([0, 9000])).values
        np.testing.assert_array_equal(values[0], 2 * np.arange(9000.0) + 1e-12)
    assert len(caplog.records) == 1
    assert spy.calls[1:] == [9000, 9000]


def test_compiling_waits_until_it_pays(spy: Spy) -> None:
    runtime = CompiledRuntime(spy, least=10_000)
    with runtime.open(TWICE) as session:
        for _ in range(4):
            session.evaluate(given(np.arange(4000.0)), np.array([0, 4000]))
    assert spy.calls[:2] == [4000, 4000]
    assert 0 < spy.calls[2] < 4000


def test_what_cannot_be_compiled_is_interpreted(spy: Spy) -> None:
    source = SETUP + "if (s.a === 5) throw new Error('five'); return { x: [s.a], dataMask: [1] } }"
    with CompiledRuntime(spy, least=0).open(source) as session:
        answer = session.evaluate(given(np.arange(9.0)), np.array([0, 3, 6, 9]))
    assert set(answer.failures) == {1}


def test_what_is_missing_is_noted_as_the_interpreter_notes_it(spy: Spy) -> None:
    source = SETUP + "if (s.a > 6) return; return s.a > 4 ? { dataMask: [1] } : { x: [s.a], dataMask: [1] } }"
    with CompiledRuntime(spy, least=0).open(source) as session, spy.open(source) as plain:
        one = session.evaluate(given(np.arange(9.0)), np.array([0, 9]))
        other = plain.evaluate(given(np.arange(9.0)), np.array([0, 9]))
    assert one.gaps == other.gaps != ()
    np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize(
    "pixel",
    [
        "return { x: [s.CLM, s.a], y: [s.CLM], dataMask: [1] }",
        "return { x: s.a > 4 ? [s.a] : [s.a, 2], y: [s.a], dataMask: [1] }",
        "return { x: [s.a > 4 ? s.CLM : s.a, s.a > 6 ? null : 3], y: [s.a > 2 ? undefined : 1], dataMask: [1] }",
        "return s.a > 6 ? null : s.a > 4 ? { dataMask: [1] } : { x: [], y: [], dataMask: [1] }",
        "return { x: [s.CLM * 2, s.CLM], y: [s.CLM + 1], dataMask: [s.CLM] }",
        "const x = []; if (s.a > 4) x.push(s.a); return { x, y: [1], dataMask: [1] }",
    ],
)
def test_undefined_counts_as_zero_in_integer_outputs_only(spy: Spy, pixel: str) -> None:
    outputs = '{ id: "x", bands: 2, sampleType: "INT8" }, { id: "y", bands: 1 }, { id: "dataMask", bands: 1 }'
    source = f'//VERSION=3\nfunction setup() {{ return {{ input: ["a"], output: [{outputs}] }} }}\n'
    source += f"function evaluatePixel(s) {{ {pixel} }}"
    with CompiledRuntime(spy, least=0).open(source) as session, spy.open(source) as plain:
        one = session.evaluate(given(np.arange(9.0)), np.array([0, 9]))
        asked = len(spy.calls)
        other = plain.evaluate(given(np.arange(9.0)), np.array([0, 9]))
    assert asked == 1, "only the referee asked the interpreter"
    assert one.gaps == other.gaps != ()
    np.testing.assert_array_equal(one.values, other.values)
    assert (other.values[:2] == 0).any()


INHERITED = [
    "constructor",
    "toString",
    "valueOf",
    "hasOwnProperty",
    "isPrototypeOf",
    "__defineGetter__",
    "map",
    "length",
]


@pytest.mark.parametrize(
    ("pixel", "expected"),
    [
        ("return { y: [s.a], dataMask: [1] }", [np.nan, 2, 1]),
        ("return { NAME: [s.a], y: [3], dataMask: [1] }", [2, 3, 1]),
        ("return { NAME: undefined, y: [3], dataMask: [1] }", [np.nan, 3, 1]),
        ("const r = new R(); r.y = [s.a]; return r", [np.nan, 2, 1]),
        ("return new R()", [np.nan, 5, 1]),
    ],
)
@pytest.mark.parametrize("name", INHERITED)
def test_an_output_that_is_called_as_what_every_object_has(
    spy: Spy, name: str, pixel: str, expected: list[float]
) -> None:
    outputs = f'{{ id: "{name}", bands: 1 }}, {{ id: "y", bands: 1 }}, {{ id: "dataMask", bands: 1 }}'
    source = f"//VERSION=3\nfunction setup() {{ return {{ input: ['a'], output: [{outputs}] }} }}\n"
    source += "class R { constructor() { this.y = [5]; this.dataMask = [1] } }\n"
    source += f"function evaluatePixel(s) {{ {pixel.replace('NAME', name)} }}"
    both_ways(spy, source, expected)


@pytest.mark.parametrize("pixel", ["return [s.a]", "return s.a", "return { NAME: [s.a] }"])
@pytest.mark.parametrize("name", INHERITED)
def test_a_single_output_that_is_called_as_what_every_array_has(spy: Spy, name: str, pixel: str) -> None:
    outputs = f'{{ id: "{name}", bands: 1 }}, {{ id: "dataMask", bands: 1 }}'
    source = f"//VERSION=3\nfunction setup() {{ return {{ input: ['a'], output: [{outputs}] }} }}\n"
    both_ways(spy, source + f"function evaluatePixel(s) {{ {pixel.replace('NAME', name)} }}", [2, np.nan])


def both_ways(spy: Spy, source: str, expected: list[float]) -> None:
    """Interpreted and compiled, the sample in which `a` is 2 gives these numbers, and nothing fails."""
    with CompiledRuntime(spy, least=0).open(source) as session, spy.open(source) as plain:
        for one in (session, plain):
            answer = one.evaluate(given(np.full(9, 2.0)), np.array([0, 9]))
            assert not answer.failures
            np.testing.assert_array_equal(answer.values, np.repeat(np.array(expected)[:, None], 9, axis=1))


def test_the_constructor_of_an_object_is_its_class(spy: Spy) -> None:
    source = SETUP + "const r = new R(); r.constructor(); return { x: [r.n + s.a], dataMask: [1] } }\n"
    source += "class R { constructor() { this.n = 5 } }"
    with CompiledRuntime(spy, least=0).open(source) as session, spy.open(source) as plain:
        for one in (session, plain):
            assert set(one.evaluate(given(np.arange(9.0)), np.array([0, 9])).failures) == {0}


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8", "i8", "?", ">u2", ">f8"])
@pytest.mark.parametrize("scale", [(1.0, 0.0), (0.0001, -0.1)])
def test_kinds_and_strides(spy: Spy, kind: str, scale: tuple[float, float]) -> None:
    numbers = np.arange(-50, 50).astype(kind)[::2]
    with CompiledRuntime(spy, least=0).open(ROOT) as session, spy.open(ROOT) as plain:
        one = session.evaluate(given(numbers, scale), np.array([5, 20, 50])).values
        other = plain.evaluate(given(numbers, scale), np.array([5, 20, 50])).values
    assert same(one, other)


def test_pickled(interpreters: V8Runtime) -> None:
    revived = pickle.loads(pickle.dumps(CompiledRuntime(interpreters, least=0)))
    assert revived.seconds == interpreters.seconds


def test_odd_samples_are_chosen() -> None:
    values = np.zeros((2, 100_000))
    values[1, 77_777] = np.nan
    chosen = choice(values)
    assert 77_777 in chosen
    assert {0, 2047, 99_999} <= set(chosen.tolist())
    assert len(chosen) <= 4096


def test_same_bits() -> None:
    assert same(np.array([np.nan, 1.0]), np.array([-np.nan, 1.0]))
    assert not same(np.array([0.0]), np.array([-0.0]))
    assert not same(np.array([np.nan]), np.array([1.0]))


def test_there_is_machine_code_once_the_interpreter_has_seen_enough(spy: Spy) -> None:
    numbers = np.arange(100_000.0)
    with CompiledRuntime(spy, least=0).open(TWICE) as session:
        seen = []
        for _ in range(3):
            seen.append(session.machine_code(given(numbers)) is not None)
            session.evaluate(given(numbers), np.array([0, 100_000]))
        assert seen == [False, False, True]
        code = session.machine_code(given(numbers[:10]))
        assert code is not None
        assert code.count == 10
        assert session.machine_code(given(numbers.astype(np.float32))) is None, "samples of another kind"
    assert sum(spy.calls) == 4096


def test_there_is_no_machine_code_where_outputs_may_be_missing(spy: Spy) -> None:
    script = SETUP + "return s.a > 5 ? { x: [1], dataMask: [1] } : { dataMask: [1] } }"
    with CompiledRuntime(spy, least=0).open(script) as session:
        for _ in range(4):
            session.evaluate(given(np.arange(10_000.0)), np.array([0, 10_000]))
        assert spy.calls, "it was compiled"
        assert session.machine_code(given(np.arange(10_000.0))) is None


def test_a_session_that_was_lied_to_has_no_machine_code(spy: Spy) -> None:
    spy.lie = 1.0
    with CompiledRuntime(spy, least=0).open(TWICE) as session:
        for _ in range(4):
            session.evaluate(given(np.arange(10_000.0)), np.array([0, 10_000]))
        assert session.machine_code(given(np.arange(10_000.0))) is None
