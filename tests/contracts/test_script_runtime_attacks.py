"""Nothing a script does reaches beyond its session: one test per attack."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest

from arpent.adapters.scripts.v8.runtime import V8Runtime
from arpent.domain.errors import (
    ScriptError,
    ScriptExecutionError,
    ScriptOutOfMemory,
    ScriptSetupError,
    ScriptSyntaxError,
    ScriptTimeout,
)
from arpent.domain.ports.scripts import ScriptAnswer, ScriptInput, ScriptSession
from tests.support.interpreters import interpreters

pytestmark = pytest.mark.slow

SECONDS = 1.0
SETUP = """//VERSION=3
function setup() { return {
  input: ["B04", "dataMask"], output: [{ id: "x", bands: 1 }, { id: "dataMask", bands: 1 }] } }
"""
HONEST = SETUP + "function evaluatePixel(s) { return { x: [s.B04 * 2], dataMask: [s.dataMask] } }"


@pytest.fixture(scope="module")
def runtime() -> Iterator[V8Runtime]:
    with V8Runtime(SECONDS, 128) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def patient() -> Iterator[V8Runtime]:
    """On a busy machine it takes more than a second to fill the memory."""
    with V8Runtime(30, 128) as runtime:
        yield runtime


def call(session: ScriptSession, values: tuple[float, ...] = (1.0, 2.0, 3.0)) -> ScriptAnswer:
    numbers = np.array(values)
    samples = ScriptInput(values=(numbers, np.ones(len(numbers), np.uint8)), scales=((1, 0), (1, 0)))
    return session.evaluate([samples], np.array([0, 1, len(numbers)]))


def assert_unharmed(runtime: V8Runtime) -> None:
    """A new session works and the old interpreters are gone."""
    assert interpreters() == []
    with runtime.open(HONEST) as session:
        assert call(session).values[0].tolist() == [2, 4, 6]


def body(text: str) -> str:
    return SETUP + f"function evaluatePixel(s) {{ {text} }}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("for (;;) {}", ScriptTimeout),
        ("for (;;) { try { for (;;) {} } catch (e) {} finally { for (;;) {} } }", ScriptTimeout),
        ("return /^(a+)+$/.test('a'.repeat(40) + 'b')", ScriptTimeout),
        ("return new Float64Array(5e6).map(Math.random).sort((a, b) => a - b)", ScriptTimeout),
        ("let n = 3n; for (;;) n = n * n", ScriptError),
        ("throw { toString() { for (;;) {} } }", ScriptTimeout),
        ("const e = new Error(); Object.defineProperty(e, 'stack', { get() { for (;;) {} } }); throw e", ScriptTimeout),
        ("return { get x() { for (;;) {} } }", ScriptTimeout),
        ("return { x: [{ valueOf() { for (;;) {} } }], dataMask: [1] }", ScriptError),
        ("const a = []; for (;;) a.push(new Array(1000).fill(a.length))", ScriptOutOfMemory),
        ("const a = new Array(1.2e8).fill(1.5); return [a.slice(), a.slice(), a.slice()].length", ScriptError),
        ("const a = []; for (;;) a.push(new Uint8Array(1e8).fill(1))", ScriptOutOfMemory),
        ("let t = 'ab'; for (;;) t += t", ScriptExecutionError),
        ("return (function f() { return f() + 1 })()", ScriptExecutionError),
        ("const m = new Map(); for (let i = 0; ; i++) m.set(i, [i])", ScriptError),
    ],
)  # fmt: skip
def test_greedy_pixel(runtime: V8Runtime, patient: V8Runtime, text: str, expected: type[ScriptError]) -> None:
    with (patient if expected is ScriptOutOfMemory else runtime).open(body(text)) as session:
        try:
            failures = call(session).failures
            assert set(failures) == {0, 1}
            error: ScriptError = failures[0]
        except ScriptError as raised:
            error = raised
    assert isinstance(error, expected), repr(error)
    assert_unharmed(runtime)


def test_loop_in_setup(runtime: V8Runtime) -> None:
    with (
        pytest.raises(ScriptTimeout, match="longer than 1 s"),
        runtime.open("//VERSION=3\nfunction setup() { for (;;); }"),
    ):
        pass
    assert_unharmed(runtime)


def test_loop_while_loading(runtime: V8Runtime) -> None:
    with pytest.raises(ScriptTimeout), runtime.open("//VERSION=3\nfor (;;);"):
        pass
    assert_unharmed(runtime)


@pytest.mark.parametrize(
    "poison",
    [
        "Array.prototype[Symbol.iterator] = function () { throw 1 };",
        "Object.defineProperty(Object.getPrototypeOf(Float64Array.prototype), 'length', { get() { return 0 } });",
        "Object.defineProperty(Object.getPrototypeOf(Float64Array.prototype), 'buffer', { get() { throw 1 } });",
        "JSON.stringify = () => '{'; JSON.parse = () => { throw 1 };",
        "Object.prototype.toJSON = () => 'x'; String.prototype.toJSON = () => 'x'; Array.prototype.toJSON = () => 1;",
        "globalThis.Float64Array = globalThis.Int32Array = globalThis.Array = null;",
        "Function.prototype.call = Function.prototype.apply = () => { throw 1 }; Reflect.apply = null;",
        "Object.defineProperty = Object.create = Object.keys = null; String.prototype.slice = () => 'y';",
        "Array.prototype.push = Array.prototype.map = null; globalThis.String = globalThis.Number = () => 7;",
        "Object.defineProperty(Array.prototype, 0, { set() { throw 1 }, get() { return 9 } });",
        "Object.defineProperty(Object.prototype, 'B04', { set() { throw 1 } });",
    ],
)
def test_poisoned_prototypes_change_no_number(runtime: V8Runtime, poison: str) -> None:
    text = f"let done = false;\nfunction poison() {{ if (!done) {{ done = true; {poison} }} }}"
    with runtime.open(HONEST.replace("{ return { x:", "{ poison(); return { x:") + text) as session:
        for count in (3, 4, 300_000):  # the last needs a larger buffer and a new harness
            answer = call(session, (1.0,) * count)
            assert not answer.failures, answer.failures[0]
            assert (answer.values[0] == 2).all()
    assert_unharmed(runtime)


def test_endless_promises_end_with_the_session(runtime: V8Runtime) -> None:
    text = "(function f() { return Promise.resolve().then(f) })(); return { x: [1], dataMask: [1] }"
    with runtime.open(body(text)) as session:
        for _ in range(2):
            with suppress(ScriptTimeout, ScriptExecutionError):
                call(session)
    assert_unharmed(runtime)


def test_poison_before_setup_is_reported(runtime: V8Runtime) -> None:
    with pytest.raises(ScriptError), runtime.open(HONEST + "\nObject.prototype.toJSON = () => 5;"):
        pass
    assert_unharmed(runtime)


def test_harness_cannot_be_reached(runtime: V8Runtime) -> None:
    text = """
    const found = [];
    try { found.push(evaluatePixel.caller) } catch (e) { found.push(null) }
    try { found.push(arguments.callee.caller) } catch (e) { found.push(null) }
    Error.prepareStackTrace = (e, sites) => sites.map((site) => [site.getFunction(), site.getThis()]);
    for (const [f, t] of new Error('x').stack) if (f !== evaluatePixel && f) found.push(f);
    const leaked = found.filter((f) => f).length;
    return { x: [leaked], dataMask: [1] }"""
    with runtime.open(body(text)) as session:
        assert call(session).values[0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "source",
    [
        "//VERSION=3\n}); globalThis.free = 1; (function () {",
        "//VERSION=3\n})(); })(); (function () { (function () {",
        "//VERSION=3\n/* never closed",
        "//VERSION=3\nconst t = `never closed",
        "//VERSION=3\n}",
        "//VERSION=3\nfunction setup( { }",
        "//VERSION=3\nimport fs from 'fs';",
        "//VERSION=3\nawait 1;",
    ],
)
def test_wrapper_cannot_be_closed(runtime: V8Runtime, source: str) -> None:
    with pytest.raises(ScriptSyntaxError), runtime.open(source):
        pass
    assert_unharmed(runtime)


def test_nothing_of_the_host_is_in_reach(runtime: V8Runtime) -> None:
    names = ["WebAssembly", "SharedArrayBuffer", "Atomics", "setTimeout", "clearTimeout", "__timer_manager",
             "WeakRef", "FinalizationRegistry", "require", "process", "fetch", "Deno"]  # fmt: skip
    tests = " + ".join(f"(typeof globalThis.{name} !== 'undefined')" for name in names)
    with runtime.open(body(f"return {{ x: [{tests}], dataMask: [typeof process === 'undefined'] }}")) as session:
        answer = call(session)
    assert answer.values[0].tolist() == [0, 0, 0]
    assert answer.values[1].tolist() == [1, 1, 1]


def test_eval_gives_a_script_no_more_than_it_has(runtime: V8Runtime) -> None:
    """Published scripts use it, and Function is there anyway; what it sees is the script's own scope."""
    names = ("post", "harnesses", "room", "view", "settle", "c0", "o0")
    unseen = " && ".join(f"eval(\"typeof {name} === 'undefined'\")" for name in names)
    with runtime.open(body(f'return {{ x: [eval("s.B04 * 2")], dataMask: [{unseen}] }}')) as session:
        answer = call(session)
    assert answer.values[0].tolist() == [2, 4, 6]
    assert answer.values[1].tolist() == [1, 1, 1]


def test_exit_is_an_error(runtime: V8Runtime) -> None:
    with runtime.open(body("process.exit(1)")) as session:
        assert "process is not defined" in str(call(session).failures[0])


@pytest.mark.parametrize(
    "text", ["return { x: new Array(1e7).fill(1), dataMask: [1] }", "return { x: 'a'.repeat(1e8), dataMask: 1 }"]
)
def test_huge_output_is_cut(runtime: V8Runtime, text: str) -> None:
    with runtime.open(body(text)) as session:
        answer = call(session)
        assert answer.values.shape == (2, 3)


def test_huge_setup_is_refused(runtime: V8Runtime) -> None:
    script = HONEST.replace("return {", "return { more: 'a'.repeat(1e7),", 1)
    with pytest.raises(ScriptSetupError, match="very large"), runtime.open(script):
        pass


def test_console_flood_is_bounded(runtime: V8Runtime) -> None:
    with runtime.open(
        body("for (let i = 0; i < 1000; i++) console.log('z'.repeat(1e5)); return { x: [1], dataMask: [1] }")
    ) as session:
        log = call(session).log
    assert len(log) <= 110
    assert max(map(len, log)) <= 1000


@pytest.mark.parametrize("word", ["async function", "function"])
def test_promises_are_refused(runtime: V8Runtime, word: str) -> None:
    script = SETUP + f"{word} evaluatePixel(s) {{ return Promise.resolve({{ x: [1], dataMask: [1] }}) }}"
    with runtime.open(script) as session:
        assert "must not be async" in str(call(session).failures[1])
    with (
        pytest.raises(ScriptSetupError, match="must not be async"),
        runtime.open("//VERSION=3\nasync function setup() {}\nfunction evaluatePixel() {}"),
    ):
        pass


def test_a_dying_session_leaves_its_neighbour_alone(runtime: V8Runtime) -> None:
    with runtime.open(HONEST) as honest, runtime.open(body("for (;;) {}")) as other:
        before = call(honest).values.tolist()
        with pytest.raises(ScriptTimeout):
            call(other)
        with pytest.raises(ScriptExecutionError, match="has ended"):
            call(other)
        assert call(honest).values.tolist() == before
    assert interpreters() == []


def test_globals_are_not_shared_between_sessions(runtime: V8Runtime) -> None:
    script = (
        SETUP
        + "globalThis.n = (globalThis.n || 0) + 1;\nfunction evaluatePixel(s) { return { x: [n], dataMask: [1] } }"
    )
    for _ in range(2):
        with runtime.open(script) as session:
            assert call(session).values[0].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("end", "expected"), [(signal.SIGSEGV, ScriptExecutionError), (signal.SIGTRAP, ScriptOutOfMemory)]
)
def test_an_interpreter_that_dies_is_an_error_of_its_script(
    runtime: V8Runtime, end: signal.Signals, expected: type[ScriptError]
) -> None:
    """SIGTRAP is how V8 ends itself when its heap is full and no garbage collection helps."""
    with runtime.open(HONEST) as session:
        os.kill(int(interpreters()[0].name), end)
        with pytest.raises(expected):
            call(session)
    assert_unharmed(runtime)
