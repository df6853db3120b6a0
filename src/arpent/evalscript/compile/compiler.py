"""Compiler: runs the phases in order, from syntax tree to LLVM assembly."""

from __future__ import annotations

from dataclasses import dataclass

from arpent.domain.evalscript import Evalscript
from arpent.evalscript.compile.graph.operation import constant_value
from arpent.evalscript.compile.llvm_assembly import CHECKED, UNCHECKED, lower_to_llvm
from arpent.evalscript.compile.syntax_tree import SyntaxTree
from arpent.evalscript.compile.tracer import ScriptTracer
from arpent.evalscript.layout import MemoryLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptAssembly:
    """A script as LLVM assembly, for one layout of its samples. Its functions fill rows of doubles."""

    text: str
    """The LLVM module; `llvm_assembly` describes the arguments of its functions."""
    function: str
    """Name of the function: `evaluate`, or `evaluate_checked`, which also takes bounds."""
    width: int
    """Number of rows with the script's bands, in the order of `declared_outputs`; the rows of `missing_rows` follow."""
    missing_rows: tuple[int | None, ...]
    """Row numbers: per output, the row that is 1 where it is missing, else 0; then the row that is 1 where nothing was
    returned; then, per output, the row that is 1 where undefined counts as 0. None: this cannot happen."""


def compile_script(
    evalscript: Evalscript,
    layout: MemoryLayout,
    *,
    script: SyntaxTree,
    prelude: SyntaxTree,
    triple: str,
    checked: bool = False,
) -> ScriptAssembly:
    """Compile a script for samples of one layout.

    `evalscript`: what setup() declared, after updateOutput. `layout`: kinds, rows and scales of its input columns.
    `script`, `prelude`: the parsed texts of the script and of the built-in functions. `triple`: the target machine.
    `checked`: make code that checks its bounds, for tests. Raises Unsupported for a script that only the interpreter
    can run.
    """
    bands = ScriptTracer(evalscript=evalscript, script=script, prelude=prelude).trace(layout)
    rows = list(bands.values)
    missing_rows: list[int | None] = []
    for missing in bands.missing:
        if constant_value(missing) == 0:
            missing_rows.append(None)
        else:
            missing_rows.append(len(rows))
            rows.append(missing)
    return ScriptAssembly(
        text=lower_to_llvm(layout.columns, rows, triple, checked=checked),
        function=CHECKED if checked else UNCHECKED,
        width=len(bands.values),
        missing_rows=tuple(missing_rows),
    )
