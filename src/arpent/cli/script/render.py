"""Render: what was found out about a script, as lines for people or as one JSON object."""

from __future__ import annotations

from collections.abc import Iterator

from arpent.cli.script.check import Inspection
from arpent.cli.script.run import SampleAnswer, ScriptRun, number
from arpent.domain.errors import ScriptError
from arpent.domain.evalscript import Evalscript
from arpent.evalscript.lint import Gravity
from arpent.evalscript.scenes import source_keys

Fields = dict[str, object]


def inspection_lines(inspection: Inspection, file: str, source: str) -> Iterator[str]:
    """`file:line:column: error: message`, the source line below, and a summary of the script."""
    lines = source.splitlines()
    for remark in inspection.remarks:
        place = ":".join(str(part) for part in (file, remark.line, remark.column) if part is not None)
        yield f"{place}: {remark.gravity}: {remark.message}"
        if remark.line is not None and 0 < remark.line <= len(lines):
            yield f"    {remark.line} | {lines[remark.line - 1].strip()}"
    yield from (f"console.log: {line}" for line in inspection.log)
    if inspection.evalscript is not None:
        yield from _summary(inspection.evalscript, inspection.collections)
    faults = sum(remark.gravity is Gravity.ERROR for remark in inspection.remarks)
    warnings = len(inspection.remarks) - faults
    yield f"{file}: {_count(faults, 'error')}, {_count(warnings, 'warning')}"


def inspection_fields(inspection: Inspection, file: str) -> Fields:
    """The inspection as a JSON object."""
    evalscript = inspection.evalscript
    fields: Fields = {
        "file": file,
        "ok": not inspection.refused,
        "remarks": [
            {"gravity": str(one.gravity), "message": one.message, "line": one.line, "column": one.column}
            for one in inspection.remarks
        ],
        "log": list(inspection.log),
    }
    if evalscript is not None:
        fields["inputs"] = [
            {
                "key": key,
                "collection": collection,
                "bands": entry.bands,
                "units": entry.units,
                "mosaicking": str(entry.mosaicking),
            }
            for key, collection, entry in zip(
                source_keys(evalscript), inspection.collections, evalscript.inputs, strict=True
            )
        ]
        fields["outputs"] = [
            {"id": one.id, "bands": one.bands, "sampleType": str(one.sample_type), "masked": one.mask is not None}
            for one in evalscript.outputs
        ]
    return fields


def run_lines(run: ScriptRun) -> Iterator[str]:
    """One line per sample, then the script's log."""
    for place, answer in enumerate(run.answers):
        yield f"sample {place}: {_answer(answer)}"
    yield from (f"console.log: {line}" for line in run.log)


def run_fields(run: ScriptRun) -> Fields:
    """The run as a JSON object; NaN is null."""
    return {"samples": [_answer_fields(answer) for answer in run.answers], "log": list(run.log)}


def feature_lines(found: Fields) -> Iterator[str]:
    """The numbers of one feature, taken from its explanation."""
    interval, error = found["interval"], found.get("error")
    assert isinstance(interval, dict)
    yield f"feature {found['id']}, {interval['from']} to {interval['to']}"
    if isinstance(error, dict):
        yield f"error: {error['message']}"
    yield from (f"{path}: {value}" for path, value in _statistics(found.get("response"), ""))
    log = found.get("log")
    yield from (f"console.log: {line}" for line in (log if isinstance(log, list) else ()))


def _statistics(tree: object, path: str) -> Iterator[tuple[str, str]]:
    """(path, text) of every `stats` object in the tree."""
    if isinstance(tree, list):
        for entry in tree:
            yield from _statistics(entry, path)
    elif isinstance(tree, dict):
        for name, below in tree.items():
            if name == "stats" and isinstance(below, dict):
                yield path, "  ".join(f"{key} {value}" for key, value in below.items() if not isinstance(value, dict))
            elif isinstance(below, dict | list):
                shown = name not in ("data", "outputs", "bands", "interval")
                yield from _statistics(below, f"{path}.{name}".lstrip(".") if shown else path)


def _summary(evalscript: Evalscript, collections: tuple[str, ...]) -> Iterator[str]:
    for key, collection, entry in zip(source_keys(evalscript), collections, evalscript.inputs, strict=True):
        bands = ", ".join(
            band if unit is None else f"{band} ({unit})" for band, unit in zip(entry.bands, entry.units, strict=True)
        )
        checked = "no collection has its bands" if collection == "?" else f"as {collection}"
        yield f"input {key}: {bands}; {entry.mosaicking}; {checked}"
    for output in evalscript.outputs:
        masked = "" if output.mask is not None else ", not masked"
        yield f"output {output.id}: {', '.join(output.bands)}; {output.sample_type}{masked}"


def _answer(answer: SampleAnswer) -> str:
    if answer.error is not None:
        return f"error: {answer.error}"
    return "  ".join(f"{name} {_values(values)}" for name, values in answer.outputs.items())


def _values(values: tuple[float, ...]) -> str:
    texts = [f"{value:.10g}" for value in values]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"


def _answer_fields(answer: SampleAnswer) -> Fields:
    if answer.error is None:
        return {"outputs": {name: [number(value) for value in values] for name, values in answer.outputs.items()}}
    return {"error": error_fields(answer.error)}


def error_fields(error: ScriptError) -> Fields:
    """The error as a JSON object, with line and column."""
    return {"type": type(error).__name__, "message": error.args[0], "line": error.line, "column": error.column}


def _count(number_: int, word: str) -> str:
    return f"{number_} {word}" + ("" if number_ == 1 else "s")
