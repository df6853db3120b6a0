"""Outputs: their numbers of bands after updateOutput (sentinelhub.md 5.3), and counts of values missing in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from arpent.domain.errors import ScriptExecutionError, ScriptSetupError
from arpent.domain.evalscript import DATA_MASK, Evalscript, Gap, GapKind, Output
from arpent.evalscript.setup import numbered, within_limit


def declared(evalscript: Evalscript) -> dict[str, dict[str, int]]:
    """The argument of updateOutput: id → number of bands, dataMask included."""
    counts = {output.id: {"bands": len(output.bands)} for output in evalscript.outputs}
    return counts | ({DATA_MASK: {"bands": evalscript.mask_bands}} if evalscript.mask_bands else {})


def counted(evalscript: Evalscript, counts: Mapping[str, object]) -> Evalscript:
    """The script with the band counts that updateOutput set. Raises ScriptExecutionError if they are invalid."""
    try:
        outputs = within_limit(_counted(output, counts.get(output.id)) for output in evalscript.outputs)
    except ScriptSetupError as error:
        raise ScriptExecutionError(str(error)) from None
    return replace(evalscript, outputs=outputs)


def gaps_of(evalscript: Evalscript, counts: Sequence[int]) -> tuple[Gap, ...]:
    """The gaps in an answer, from 2n + 1 `counts` of samples for n outputs (dataMask included): per output, samples
    that lack it; samples without any result; and, per output, samples where undefined counted as 0."""
    if not any(counts):
        return ()
    names = [*declared(evalscript)]
    kinds = [GapKind.MISSING_OUTPUT] * len(names) + [GapKind.NOTHING] + [GapKind.UNDEFINED_AS_ZERO] * len(names)
    return tuple(
        Gap(kind=kind, output=name, samples=count)
        for kind, name, count in zip(kinds, [*names, "", *names], counts, strict=True)
        if count
    )


def _counted(output: Output, count: object) -> Output:
    if count == len(output.bands):
        return output
    if not isinstance(count, int) or count < 1:
        raise ScriptExecutionError(f"updateOutput must leave a whole number of at least 1 in output.{output.id}.bands")
    return replace(output, bands=numbered(count, output.id))
