"""The generated loop and the buffer it reads."""

from __future__ import annotations

import pickle

import pytest

from arpent.domain.errors import ScriptError, ScriptExecutionError, ScriptOutOfMemory
from arpent.domain.evalscript import Evalscript
from arpent.evalscript.harness import harness
from arpent.evalscript.layout import ITEM_SIZES, MOST_SAMPLES, SEGMENTS, Column, MemoryLayout, capacity_of
from arpent.evalscript.program import Thrown, line_offset, program, script_error, syntax_error
from arpent.evalscript.setup import read_setup


def column(kind: str = "u2", rows: int = 1, scale: tuple[float, float] = (1.0, 0.0), simple: bool = True) -> Column:
    return Column(kind=kind, rows=rows, scale=scale, simple=simple)


def script(mosaicking: str = "SIMPLE") -> Evalscript:
    declared = {
        "input": ["B04"], "mosaicking": mosaicking, "output": [{"id": "x", "bands": 2}, {"id": "dataMask", "bands": 1}]
    }  # fmt: skip
    return read_setup("", declared, frozenset({"evaluatePixel"}))


@pytest.mark.parametrize(
    ("scale", "text"),
    [
        ((1, 0), '"B04": c0[i]}'),
        ((0.0001, 0), "c0[i] * 0.0001}"),
        ((1e-5, -0.2), "c0[i] * 1e-05 - 0.2}"),
        ((1, 149.0), "c0[i] + 149.0}"),
    ],
)
def test_scale_is_written_without_what_changes_nothing(scale: tuple[float, float], text: str) -> None:
    layout = MemoryLayout(inputs=((column(scale=scale),),), width=3, capacity=10)
    assert text in harness(script(), layout)


def test_hot_checks_are_typeof_only() -> None:
    text = harness(script(), MemoryLayout(inputs=((column(),),), width=3, capacity=10))
    assert "typeof v0 !== 'number' || typeof v1 !== 'number' || typeof v2 !== 'number'" in text
    assert "isArray" not in text
    assert ".length" not in text


@pytest.mark.parametrize(("rows", "loop"), [(0, False), (32, False), (33, True)])
def test_scenes_are_unrolled_up_to_32(rows: int, loop: bool) -> None:
    layout = MemoryLayout(inputs=((column(rows=rows, simple=False),),), width=3, capacity=10)
    text = harness(script("ORBIT"), layout)
    assert ("new list(" in text) is loop
    assert text.count('"B04":') == (1 if loop else rows)


@pytest.mark.parametrize("rows", [0, 1, 5, 200])
def test_columns_do_not_overlap_and_fit(rows: int) -> None:
    columns = (column("u1", rows), column("f8", rows), column("u2", rows))
    for buffer in (1 << 20, 1 << 22):
        empty = MemoryLayout(inputs=(columns,), width=3)
        layout = MemoryLayout(inputs=(columns,), width=3, capacity=capacity_of(empty, buffer))
        ends = [
            start + part.rows * layout.capacity * ITEM_SIZES[part.kind]
            for part, start in zip(columns, layout.offsets, strict=False)
        ]
        assert 0 < layout.capacity <= MOST_SAMPLES
        assert layout.offsets[0] >= 8 * SEGMENTS
        assert all(end <= start for end, start in zip(ends, layout.offsets[1:], strict=True))
        assert layout.size <= buffer
        assert all(start % 64 == 0 for start in layout.offsets)


def test_a_sample_may_be_too_large() -> None:
    assert capacity_of(MemoryLayout(inputs=((column(rows=10**6),),), width=1), 1 << 20) == 0


def test_the_users_first_line_is_where_we_say() -> None:
    lines = program("FIRST\nSECOND").splitlines()
    assert lines[line_offset()] == "FIRST"


def test_errors_are_placed_in_the_users_innermost_line() -> None:
    stack = "Error: x\n at index (evalscript:10:5)\n at evaluatePixel (evalscript:203:7)\n at span (<anonymous>:5:3)"
    error = script_error(ScriptExecutionError, Thrown(message="Error: x", stack=stack), offset=200, lines=9)
    assert (error.line, error.column, type(error)) == (3, 7, ScriptExecutionError)
    thrown = Thrown(message="Error: x", error_class="Error")
    assert script_error(ScriptExecutionError, thrown, offset=0, lines=1).line is None


@pytest.mark.parametrize(("error_class", "kind"), [("RangeError", ScriptOutOfMemory), ("Error", ScriptExecutionError)])
def test_only_an_error_of_the_interpreter_is_a_lack_of_memory(error_class: str, kind: type[ScriptError]) -> None:
    thrown = Thrown(message=f"{error_class}: Array buffer allocation failed", error_class=error_class)
    assert type(script_error(ScriptExecutionError, thrown, offset=0, lines=1)) is kind


@pytest.mark.parametrize(("error_class", "name"), [("ReferenceError", "nowhere"), ("Error", "")])
def test_the_name_that_is_not_defined_is_a_field(error_class: str, name: str) -> None:
    thrown = Thrown(message="ReferenceError: nowhere is not defined", error_class=error_class)
    error = script_error(ScriptExecutionError, thrown, offset=0, lines=1)
    assert (error.undefined, error.error_class) == (name, error_class)
    copied = pickle.loads(pickle.dumps(error))
    assert (copied.undefined, copied.error_class, str(copied)) == (name, error_class, str(error))


def test_parse_error_without_a_place() -> None:
    error = syntax_error("x", "gibberish", "SyntaxError: no")
    assert (str(error), error.line) == ("SyntaxError: no", None)
