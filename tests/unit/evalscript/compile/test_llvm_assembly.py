"""Each operation gives the same bits whether it is folded while compiling or lowered to LLVM."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from arpent.evalscript.compile import ScriptAssembly
from arpent.evalscript.compile.graph.constant_folding import FOLDS
from arpent.evalscript.compile.graph.operation import Operation
from arpent.evalscript.compile.graph.value_numbering import ValueGraph
from arpent.evalscript.compile.llvm_assembly import UNCHECKED, lower_to_llvm
from arpent.evalscript.layout import Column
from tests.support.assembly import run, triple

ODD = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 31.0, 33.0, 2.0**31, -(2.0**32) - 1.5, 2.0**53, 1e300, -1e308, 5e-324,
       0.1, np.inf, -np.inf, np.nan]  # fmt: skip
PAIRS = np.array(list(itertools.product(ODD, ODD)))
OF_TRUTH = {"truth_to_number", "equal_truth", "not", "and", "or"}
UNARY = {"negate", "abs", "floor", "ceil", "trunc", "sqrt", "to_float32", "truth_to_number", "number_to_truth",
         "is_nan", "not"}  # fmt: skip
COLUMNS = [Column(kind="f8", rows=1, scale=(1.0, 0.0), simple=True)] * 2


def of_inputs(graph: ValueGraph, opcode: str) -> Operation:
    """The operation on two unknown doubles, or on whether they are true; as a double."""
    operands = [graph.input(column, 0) for column in range(1 if opcode in UNARY else 2)]
    if opcode in OF_TRUTH:
        operands = [graph.make("number_to_truth", operand) for operand in operands]
    result = graph.make(opcode, *operands)
    return result if result.is_number else graph.make("truth_to_number", result)


def folded(opcode: str, pair: tuple[float, float]) -> float:
    operands: list[float | bool] = [float(one) for one in pair[: 1 if opcode in UNARY else 2]]
    if opcode in OF_TRUTH:
        operands = [FOLDS["number_to_truth"](operand) for operand in operands]
    return float(FOLDS[opcode](*operands))


@pytest.mark.parametrize("opcode", FOLDS)
def test_folded_as_lowered(opcode: str) -> None:
    text = lower_to_llvm(COLUMNS, [of_inputs(ValueGraph(), opcode)], triple())
    assembly = ScriptAssembly(text=text, function=UNCHECKED, width=1, missing_rows=())
    first, second = (np.ascontiguousarray(column)[np.newaxis] for column in PAIRS.T)
    lowered = run(assembly, [first, second], 1)[0]
    expected = np.array([folded(opcode, pair) for pair in PAIRS])
    same = (lowered.view(np.int64) == expected.view(np.int64)) | (np.isnan(lowered) & np.isnan(expected))
    assert PAIRS[~same].tolist() == []


def test_code_for_a_row_that_no_column_has_is_not_made() -> None:
    with pytest.raises(ValueError, match="has 1 rows, but row 1 is asked for"):
        lower_to_llvm(COLUMNS, [ValueGraph().input(0, 1)], triple())
