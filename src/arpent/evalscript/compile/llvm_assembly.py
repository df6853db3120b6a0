"""LLVM assembly: writes a script's operations as one function over arrays that LLVM can vectorise.

`i64 evaluate(i64 n, inputs …, strides …, outputs …)` takes, for each column, a pointer and the number of samples from
one row to the next, and a pointer to doubles for each row of results. The body of its loop over samples is one basic
block, since every condition of the script is a `select`. Without fast-math flags, LLVM keeps the order and results of
operations. The function returns 0, and relies on its caller for columns as in the layout, with n samples.

`i64 evaluate_checked(i64 n, …, i64 room, lows …, ends …)`, for tests, checks every access. `room` is the number of
samples that a row of results holds; lows and ends are, for each column, its first item and the one after its last,
counted from its pointer. Before an access out of bounds it returns -1 for the results, or the column's number, from 1.

`i64 evaluate_packed(i64 n, ptr arguments)` calls one of these for a caller that does not know how many arguments there
are: it reads all but n from consecutive int64.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

from arpent.evalscript.compile.graph.operation import Operation, live_operations
from arpent.evalscript.layout import Column

UNCHECKED, CHECKED, PACKED = "evaluate", "evaluate_checked", "evaluate_packed"
"""Names of the functions; each has its own signature."""
_ELEMENT_TYPES = {
    "u1": ("i8", "uitofp"), "i1": ("i8", "sitofp"), "u2": ("i16", "uitofp"), "i2": ("i16", "sitofp"),
    "u4": ("i32", "uitofp"), "i4": ("i32", "sitofp"), "f4": ("float", "fpext"), "f8": ("double", ""),
}  # fmt: skip
"""Kind of column → type in memory, conversion to double."""
_INSTRUCTIONS = {
    "add": "fadd double", "subtract": "fsub double", "multiply": "fmul double", "divide": "fdiv double",
    "remainder": "frem double", "less": "fcmp olt double", "less_equal": "fcmp ole double",
    "equal": "fcmp oeq double", "and": "and i1", "or": "or i1",
}  # fmt: skip
_LLVM_INTRINSICS = {
    "minimum": "minimum", "maximum": "maximum", "abs": "fabs", "floor": "floor", "ceil": "ceil", "trunc": "trunc",
    "sqrt": "sqrt",
}  # fmt: skip
_BITWISE = {"bit_and": "and", "bit_or": "or", "bit_xor": "xor"}
_SHIFTS = {
    "shift_left": ("shl", "sitofp"),
    "shift_right": ("ashr", "sitofp"),
    "shift_right_unsigned": ("lshr", "uitofp"),
}
_TO_INT32 = """
define internal i32 @to_int32(double %x) alwaysinline {
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
"""JavaScript's ToInt32: the integer part modulo 2^32. The hexadecimal constants are 2^-32 and 2^32; multiplying by
powers of two is exact."""


def lower_to_llvm(columns: Sequence[Column], rows: Sequence[Operation], triple: str, *, checked: bool = False) -> str:
    """An LLVM module that defines `evaluate` or `evaluate_checked`, and `evaluate_packed`.

    `columns`: the inputs, in the order in which the graph numbers them. `rows`: the results to store, one double per
    sample each. `triple`: the target machine. `checked`: check every access, for tests. Raises ValueError for an input
    that the columns do not have.
    """
    parameters, function = _parameters(len(columns), len(rows), checked), CHECKED if checked else UNCHECKED
    declared = [f"declare double @llvm.{name}.f64({'double, double' if name.endswith('imum') else 'double'})"
                for name in sorted({*_LLVM_INTRINSICS.values()})]  # fmt: skip
    lines = [line for operation in live_operations(rows) for line in _lowered(operation, columns, checked)]
    if checked:
        lines += _guarded("%room", "icmp slt i64 %i, %room", -1)
    for row, operation in enumerate(rows):
        lines += [
            f"%p{row} = getelementptr double, ptr %o{row}, i64 %i",
            f"store double {_register(operation)}, ptr %p{row}",
        ]
    return "\n".join([
        f'target triple = "{triple}"', *declared, _TO_INT32,
        f"define i64 @{function}({', '.join(parameters)}) nounwind noinline {{",
        "begin:", "%some = icmp sgt i64 %n, 0", "br i1 %some, label %body, label %end", "body:",
        "%i = phi i64 [ 0, %begin ], [ %next, %turn ]", *lines, "br label %turn", "turn:",
        "%next = add nuw nsw i64 %i, 1", "%more = icmp slt i64 %next, %n", "br i1 %more, label %body, label %end",
        "end:", "ret i64 0", "}", *_packed(function, parameters),
    ])  # fmt: skip


def _packed(function: str, parameters: Sequence[str]) -> list[str]:
    """Lines of `evaluate_packed`, which loads every argument except the first (n), and calls the function."""
    types = [parameter.split()[0] for parameter in parameters]
    loads = [
        line
        for place, kind in enumerate(types[1:])
        for line in (
            f"%p{place} = getelementptr i64, ptr %arguments, i64 {place}",
            f"%a{place} = load {kind}, ptr %p{place}",
        )
    ]
    given = ", ".join(["i64 %n", *(f"{kind} %a{place}" for place, kind in enumerate(types[1:]))])
    return [
        f"define i64 @{PACKED}(i64 %n, ptr noalias readonly %arguments) nounwind {{",
        *loads, f"%fault = call i64 @{function}({given})", "ret i64 %fault", "}",
    ]  # fmt: skip


def _parameters(columns: int, rows: int, checked: bool) -> list[str]:
    kinds = [("ptr noalias readonly %c", columns), ("i64 %s", columns), ("ptr noalias writeonly %o", rows)]
    names = [f"{kind}{number}" for kind, count in kinds for number in range(count)]
    bounds = [f"i64 %{name}{number}" for name in ("low", "end") for number in range(columns)]
    return ["i64 %n", *names, *(["i64 %room", *bounds] if checked else [])]


def _guarded(name: str, test: str, fault: int) -> list[str]:
    """Instructions that continue if the test is true, and otherwise return the fault."""
    label = name[1:]
    return [
        f"{name}fine = {test}", f"br i1 {name}fine, label %{label}go, label %{label}stop",
        f"{label}stop:", f"ret i64 {fault}", f"{label}go:",
    ]  # fmt: skip


def _register(operation: Operation) -> str:
    """How an instruction refers to the operation's result: a literal, or a register named after the value number."""
    if operation.opcode == "constant":
        return "0x" + struct.pack(">d", operation.value).hex().upper()
    return operation.opcode if operation.opcode in ("true", "false") else f"%v{operation.value_number}"


def _lowered(operation: Operation, columns: Sequence[Column], checked: bool) -> list[str]:
    """Instructions that compute one operation from the registers of its operands."""
    name, opcode = _register(operation), operation.opcode
    if opcode in ("constant", "true", "false"):
        return []
    if opcode == "input":
        return _load(operation, columns, checked)
    operands = [_register(operand) for operand in operation.operands]
    if opcode in _INSTRUCTIONS:
        return [f"{name} = {_INSTRUCTIONS[opcode]} {', '.join(operands)}"]
    if opcode in _LLVM_INTRINSICS:
        arguments = ", ".join(f"double {operand}" for operand in operands)
        return [f"{name} = call double @llvm.{_LLVM_INTRINSICS[opcode]}.f64({arguments})"]
    if opcode in _BITWISE or opcode in _SHIFTS:
        return _on_int32(name, opcode, operands)
    return _TEMPLATES[opcode](name, operands)


def _load(operation: Operation, columns: Sequence[Column], checked: bool) -> list[str]:
    (column, row), name = operation.source, _register(operation)
    if row >= columns[column].rows:
        raise ValueError(f"column {column} has {columns[column].rows} rows, but row {row} is asked for")
    kind, convert = _ELEMENT_TYPES[columns[column].kind]
    lines = [f"{name}o = mul i64 %s{column}, {row}", f"{name}i = add i64 {name}o, %i"]
    if checked:
        lines += _guarded(f"{name}low", f"icmp sge i64 {name}i, %low{column}", column + 1)
        lines += _guarded(f"{name}end", f"icmp slt i64 {name}i, %end{column}", column + 1)
    lines += [
        f"{name}p = getelementptr {kind}, ptr %c{column}, i64 {name}i",
        f"{name + 'l' if convert else name} = load {kind}, ptr {name}p",
    ]
    return lines + ([f"{name} = {convert} {kind} {name}l to double"] if convert else [])


def _on_int32(name: str, opcode: str, operands: Sequence[str]) -> list[str]:
    lines = [
        f"{name}{side} = call i32 @to_int32(double {operand})" for side, operand in zip("ab", operands, strict=True)
    ]
    if opcode in _BITWISE:
        lines += [f"{name}r = {_BITWISE[opcode]} i32 {name}a, {name}b"]
        return [*lines, f"{name} = sitofp i32 {name}r to double"]
    shift, convert = _SHIFTS[opcode]
    lines += [f"{name}m = and i32 {name}b, 31", f"{name}r = {shift} i32 {name}a, {name}m"]
    return [*lines, f"{name} = {convert} i32 {name}r to double"]


_TEMPLATES: dict[str, Callable[[str, Sequence[str]], list[str]]] = {
    "negate": lambda name, given: [f"{name} = fneg double {given[0]}"],
    "truth_to_number": lambda name, given: [f"{name} = uitofp i1 {given[0]} to double"],
    "to_float32": lambda name, given: [
        f"{name}f = fptrunc double {given[0]} to float", f"{name} = fpext float {name}f to double"
    ],
    "number_to_truth": lambda name, given: [f"{name} = fcmp one double {given[0]}, 0.0"],
    "is_nan": lambda name, given: [f"{name} = fcmp uno double {given[0]}, 0.0"],
    "not": lambda name, given: [f"{name} = xor i1 {given[0]}, true"],
    "equal_truth": lambda name, given: [f"{name} = icmp eq i1 {given[0]}, {given[1]}"],
    "select": lambda name, given: [f"{name} = select i1 {given[0]}, double {given[1]}, double {given[2]}"],
    "select_truth": lambda name, given: [f"{name} = select i1 {given[0]}, i1 {given[1]}, i1 {given[2]}"],
}  # fmt: skip
"""Opcode → (register, operands) → instructions."""
