"""Code: a traced script as LLVM assembly: one function over arrays, which the optimiser may turn into vectors.

`i64 evaluate(i64 n, inputs …, strides …, outputs …)`: per column a pointer and how many samples lie between its rows,
per row of the answer a pointer to doubles. No operation may be reordered, fused or assumed away. It gives 0, and trusts
its caller that the columns have the kinds and rows of the layout, and n samples.

`i64 evaluate_checked(i64 n, …, i64 room, lows …, ends …)`, for tests, trusts nobody: `room` is how many samples a row
of the answer holds, lows and ends are the first item of each column, counted from its pointer, and the one behind its
last. Before an access outside of those it stops: -1 for the answer, else the number of the column, from 1.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from arpent.evalscript.compile.graph import Node, needed
from arpent.evalscript.layout import Column

UNCHECKED, CHECKED = "evaluate", "evaluate_checked"
"""Names of the function, which tell how it is called."""
_LOADS = {
    "u1": ("i8", "uitofp"), "i1": ("i8", "sitofp"), "u2": ("i16", "uitofp"), "i2": ("i16", "sitofp"),
    "u4": ("i32", "uitofp"), "i4": ("i32", "sitofp"), "f4": ("float", "fpext"), "f8": ("double", ""),
}  # fmt: skip
"""Kind of array → type in memory, conversion to double."""
_BINARY = {
    "add": "fadd double", "subtract": "fsub double", "multiply": "fmul double", "divide": "fdiv double",
    "remainder": "frem double", "less": "fcmp olt double", "less_equal": "fcmp ole double",
    "equal": "fcmp oeq double", "and": "and i1", "or": "or i1",
}  # fmt: skip
_CALLS = {
    "minimum": "minimum", "maximum": "maximum", "abs": "fabs", "floor": "floor", "ceil": "ceil", "trunc": "trunc",
    "sqrt": "sqrt",
}  # fmt: skip
_BITS = {"bit_and": "and", "bit_or": "or", "bit_xor": "xor"}
_SHIFTS = {
    "shift_left": ("shl", "sitofp"),
    "shift_right": ("ashr", "sitofp"),
    "shift_right_unsigned": ("lshr", "uitofp"),
}
_HELPERS = """
define internal i32 @signed(double %x) alwaysinline {
  %whole = call double @llvm.trunc.f64(double %x)
  %turns = fmul double %whole, 0x3DF0000000000000
  %full = call double @llvm.floor.f64(double %turns)
  %away = fmul double %full, 0x41F0000000000000
  %rest = fsub double %whole, %away
  %finite = fcmp ord double %rest, %rest
  %safe = select i1 %finite, double %rest, double 0.0
  %wide = fptosi double %safe to i64
  %low = trunc i64 %wide to i32
  ret i32 %low
}
"""
"""ToInt32: the whole part modulo 2^32 in exact arithmetic; 2^-32 and 2^32 are powers of two."""


def literal(value: float) -> str:
    """A double, bit for bit."""
    return "0x" + struct.pack(">d", value).hex().upper()


def assembly(columns: Sequence[Column], rows: Sequence[Node], triple: str, checked: bool = False) -> str:
    """The module. Raises ValueError for an input that the columns do not have."""
    given = _parameters(len(columns), len(rows), checked)
    declared = [f"declare double @llvm.{name}.f64({'double, double' if name.endswith('imum') else 'double'})"
                for name in sorted({*_CALLS.values()})]  # fmt: skip
    lines = [line for node in needed(list(rows)) for line in _lines(node, columns, checked)]
    if checked:
        lines += _guarded("%room", "icmp slt i64 %i, %room", -1)
    for row, node in enumerate(rows):
        lines += [f"%p{row} = getelementptr double, ptr %o{row}, i64 %i", f"store double {_name(node)}, ptr %p{row}"]
    return "\n".join([
        f'target triple = "{triple}"', *declared, _HELPERS,
        f"define i64 @{CHECKED if checked else UNCHECKED}({', '.join(given)}) nounwind {{",
        "begin:", "%some = icmp sgt i64 %n, 0", "br i1 %some, label %body, label %end", "body:",
        "%i = phi i64 [ 0, %begin ], [ %next, %turn ]", *lines, "br label %turn", "turn:",
        "%next = add nuw nsw i64 %i, 1", "%more = icmp slt i64 %next, %n", "br i1 %more, label %body, label %end",
        "end:", "ret i64 0", "}",
    ])  # fmt: skip


def _parameters(columns: int, rows: int, checked: bool) -> list[str]:
    kinds = [("ptr noalias readonly %c", columns), ("i64 %s", columns), ("ptr noalias writeonly %o", rows)]
    names = [f"{kind}{number}" for kind, count in kinds for number in range(count)]
    bounds = [f"i64 %{name}{number}" for name in ("low", "end") for number in range(columns)]
    return ["i64 %n", *names, *(["i64 %room", *bounds] if checked else [])]


def _guarded(name: str, test: str, fault: int) -> list[str]:
    """Go on where the test is true, else give the fault."""
    label = name[1:]
    return [
        f"{name}fine = {test}", f"br i1 {name}fine, label %{label}go, label %{label}stop",
        f"{label}stop:", f"ret i64 {fault}", f"{label}go:",
    ]  # fmt: skip


def _name(node: Node) -> str:
    if node.operation == "constant":
        return literal(node.value)
    return node.operation if node.operation in ("true", "false") else f"%v{node.serial}"


def _lines(node: Node, columns: Sequence[Column], checked: bool) -> list[str]:
    name, operation = _name(node), node.operation
    if operation in ("constant", "true", "false"):
        return []
    if operation == "input":
        return _load(node, columns, checked)
    operands = [_name(operand) for operand in node.operands]
    if operation in _BINARY:
        return [f"{name} = {_BINARY[operation]} {', '.join(operands)}"]
    if operation in _CALLS:
        given = ", ".join(f"double {operand}" for operand in operands)
        return [f"{name} = call double @llvm.{_CALLS[operation]}.f64({given})"]
    if operation in _BITS or operation in _SHIFTS:
        return _bits(name, operation, operands)
    return _OTHERS[operation](name, operands)


def _load(node: Node, columns: Sequence[Column], checked: bool) -> list[str]:
    (column, row), name = node.place, _name(node)
    if row >= columns[column].rows:
        raise ValueError(f"column {column} has {columns[column].rows} rows, but row {row} is asked for")
    kind, convert = _LOADS[columns[column].kind]
    lines = [f"{name}o = mul i64 %s{column}, {row}", f"{name}i = add i64 {name}o, %i"]
    if checked:
        lines += _guarded(f"{name}low", f"icmp sge i64 {name}i, %low{column}", column + 1)
        lines += _guarded(f"{name}end", f"icmp slt i64 {name}i, %end{column}", column + 1)
    lines += [
        f"{name}p = getelementptr {kind}, ptr %c{column}, i64 {name}i",
        f"{name + 'l' if convert else name} = load {kind}, ptr {name}p",
    ]
    return lines + ([f"{name} = {convert} {kind} {name}l to double"] if convert else [])


def _bits(name: str, operation: str, operands: Sequence[str]) -> list[str]:
    lines = [f"{name}{side} = call i32 @signed(double {operand})" for side, operand in zip("ab", operands, strict=True)]
    if operation in _BITS:
        return [*lines, f"{name}r = {_BITS[operation]} i32 {name}a, {name}b", f"{name} = sitofp i32 {name}r to double"]
    shift, convert = _SHIFTS[operation]
    lines += [f"{name}m = and i32 {name}b, 31", f"{name}r = {shift} i32 {name}a, {name}m"]
    return [*lines, f"{name} = {convert} i32 {name}r to double"]


_OTHERS: dict[str, Callable[[str, Sequence[str]], list[str]]] = {
    "negate": lambda name, given: [f"{name} = fneg double {given[0]}"],
    "number": lambda name, given: [f"{name} = uitofp i1 {given[0]} to double"],
    "single": lambda name, given: [
        f"{name}f = fptrunc double {given[0]} to float", f"{name} = fpext float {name}f to double"
    ],
    "truth": lambda name, given: [f"{name} = fcmp one double {given[0]}, 0.0"],
    "not_a_number": lambda name, given: [f"{name} = fcmp uno double {given[0]}, 0.0"],
    "not": lambda name, given: [f"{name} = xor i1 {given[0]}, true"],
    "same": lambda name, given: [f"{name} = icmp eq i1 {given[0]}, {given[1]}"],
    "choose": lambda name, given: [f"{name} = select i1 {given[0]}, double {given[1]}, double {given[2]}"],
    "choose_truth": lambda name, given: [f"{name} = select i1 {given[0]}, i1 {given[1]}, i1 {given[2]}"],
}  # fmt: skip
