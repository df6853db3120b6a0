"""Messages are for people: no code reads what an error, a log or a note says. It asks a class, a code or a field."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "src" / "arpent"
READERS = frozenset({"startswith", "endswith", "find", "index", "split", "partition", "count"})
"""Methods of a text that look into it; others, such as `rpartition`, only cut what people are shown."""
SEARCHES = frozenset({"search", "match", "fullmatch", "findall", "finditer"})
"""Methods of a regular expression."""
OF_ERRORS = frozenset({"message", "log", "msg"})
"""Attributes that hold sentences."""
EXCEPTIONS: Mapping[str, str] = {
    "adapters/formats/geometries.py": "GEOS gives no code for what is wrong with a geometry",
    "network/bucket_answers.py": "obstore gives no code; this is the one place that reads what a store said",
    "evalscript/program.py": "V8 gives place, name and lack of memory in its texts only; this is the one place",
}


def caught(function: ast.AST) -> set[str]:
    """Names of errors in a function: bound by `except`, or parameters whose annotation says so."""
    names = {node.name for node in ast.walk(function) if isinstance(node, ast.ExceptHandler) and node.name}
    for node in ast.walk(function):
        if isinstance(node, ast.arg) and node.annotation is not None:
            words = ast.unparse(node.annotation).replace("|", " ").replace('"', " ").split()
            if any(word.endswith(("Error", "Exception")) for word in words):
                names.add(node.arg)
    return names


def is_sentence(node: ast.AST, errors: set[str], texts: set[str]) -> bool:
    """Whether an expression is the text of an error, a log or a note."""
    found = False
    match node:
        case ast.Call(
            func=ast.Name(id="str" | "repr"), args=[ast.Name(id=name) | ast.Attribute(value=ast.Name(id=name))]
        ):
            found = name in errors
        case ast.Call(func=ast.Name(id="str" | "repr"), args=[inner]):
            found = is_sentence(inner, errors, texts)
        case ast.Call(func=ast.Attribute(value=inner, attr="lower" | "upper" | "strip")):
            found = is_sentence(inner, errors, texts)
        case ast.Subscript(value=ast.Attribute(value=ast.Name(id=name), attr="args")):
            found = name in errors
        case ast.Subscript(slice=ast.Constant(value=str() as key)):
            found = key in OF_ERRORS
        case ast.Attribute(attr=attribute):
            found = attribute in OF_ERRORS
        case ast.Name(id=name):
            found = name in texts
    return found


def sentences(function: ast.AST, errors: set[str]) -> set[str]:
    """Names that hold such a text: assigned, or the variable of a loop over a log."""
    texts: set[str] = set()
    for _ in range(2):  # a name of a name
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                for target, value in assigned(node):
                    texts |= (
                        {target.id} if isinstance(target, ast.Name) and is_sentence(value, errors, texts) else set()
                    )
            if isinstance(node, ast.For | ast.comprehension) and is_sentence(node.iter, errors, texts):
                texts |= {node.target.id} if isinstance(node.target, ast.Name) else set()
    return texts


def assigned(node: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Pairs of (target, value), also of `a, b = c, d`."""
    for target in node.targets:
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            yield from zip(target.elts, node.value.elts, strict=False)
        else:
            yield target, node.value


def readings(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, code) of every place that looks into such a text."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        errors = caught(function)
        texts = sentences(function, errors)
        for node in ast.walk(function):
            match node:
                case ast.Compare(left=left, comparators=others):
                    sides = (left, *others)
                    inside = isinstance(node.ops[0], ast.In | ast.NotIn) and is_sentence(others[0], errors, texts)
                    same = isinstance(node.ops[0], ast.Eq | ast.NotEq) and any(holds_words(each) for each in sides)
                    found = inside or (same and any(is_sentence(each, errors, texts) for each in sides))
                case ast.Call(func=ast.Attribute(value=value, attr=attribute), args=arguments):
                    found = attribute in READERS and bool(arguments) and is_sentence(value, errors, texts)
                    found |= attribute in SEARCHES and any(is_sentence(each, errors, texts) for each in arguments)
                case _:
                    found = False
            if found:
                yield node.lineno, ast.unparse(node)


def holds_words(node: ast.AST) -> bool:
    """Whether the other side of a comparison is a text, or several."""
    return any(isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value for each in ast.walk(node))


def test_what_it_finds() -> None:
    kinds = """
def asks_the_text(error: Exception, remark, answer):
    if "refused" in str(error): pass
    if str(error).startswith("ReferenceError"): pass
    if PATTERN.match(str(error.orig)): pass
    text = str(error).lower()
    if "reset" in text: pass
    if error.args[0] == "gone": pass
    if remark.message.split(";"): pass
    any("nothing" in line for line in answer.log)
"""
    assert [line for line, _ in sorted(set(readings(kinds)))] == [3, 4, 5, 7, 8, 9, 10]


def test_what_it_lets_pass() -> None:
    kinds = """
def asks_the_class(error: Exception, name: str):
    if isinstance(error, ConnectionRefusedError): pass
    if "a" in name or name.startswith("b"): pass
    if error.code == "NoSuchKey": pass
    raise ValueError(f"it failed: {str(error)}" if str(error) else "it failed")
"""
    assert list(readings(kinds)) == []


def test_no_code_reads_a_sentence() -> None:
    found = {
        f"{path.relative_to(SOURCE).as_posix()}:{line}: {code}"
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).as_posix() not in EXCEPTIONS
        for line, code in readings(path.read_text())
    }
    assert sorted(found) == []


def test_every_exception_is_still_one() -> None:
    assert [name for name in EXCEPTIONS if not list(readings((SOURCE / name).read_text()))] == []
