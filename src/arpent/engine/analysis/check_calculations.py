"""Check of calculations: every output and band they name exists in the script, and every histogram fits its output."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from arpent.domain.calculation import DEFAULT, Calculations
from arpent.domain.errors import InvalidRequest
from arpent.domain.evalscript import DATA_MASK, Evalscript
from arpent.evalscript.names import suggestion
from arpent.zonal.histogram import check_histogram

_NUMBERED = re.compile(r"B\d+")


def check_calculations(evalscript: Evalscript, calculations: Calculations, *, lenient: bool) -> None:
    """Check names and histograms against the script. Raises InvalidRequest for a name that the script lacks, which
    would otherwise be ignored silently (sentinelhub.md 11), and for a histogram that does not fit its output's sample
    type. `lenient`: see `check_histogram`."""
    unknown = tuple(_unknown(evalscript, calculations))
    if unknown:
        raise InvalidRequest("; ".join(f"`{at}`: {fault}" for at, fault in unknown), unknown)
    some = any(output.sample_type.integer for output in evalscript.outputs)
    for output in evalscript.outputs:
        for band in output.bands:
            wish = calculations.of(output.id, band)
            # Shares under `default` are meant for outputs that have classes, if there are any.
            own = output.id in calculations.outputs
            if wish.shares and not output.sample_type.integer and (own or not some):
                raise InvalidRequest.at(
                    "calculations->statistics->shares",
                    f"need classes, which the output '{output.id}' does not have: give it sampleType UINT8, or ask for "
                    "the shares of another output",
                )
            histogram = wish.histogram
            if histogram is not None:
                check_histogram(histogram, output.sample_type, lenient=lenient)


def _unknown(evalscript: Evalscript, calculations: Calculations) -> Iterator[tuple[str, str]]:
    bands: Mapping[str, Sequence[str]] = {output.id: output.bands for output in evalscript.outputs}
    for name, entry in calculations.outputs.items():
        if name in bands:
            known = bands[name]
        elif name == DEFAULT:
            known = [band for names in bands.values() for band in names]
        else:
            if name != DATA_MASK:  # declared by setup(), but never reported
                yield f"calculations->{name}", _lacking("output", name, [*bands, DEFAULT])
            continue
        for kind, options in (("histograms", entry.histograms), ("statistics", {**entry.percentiles, **entry.more})):
            for band in options:
                if band not in known and band != DEFAULT and not _may_come(band, evalscript):
                    at = f"calculations->{name}->{kind}->{band}"
                    yield at, _lacking("band", band, [*dict.fromkeys(known), DEFAULT])


def _may_come(band: str, evalscript: Evalscript) -> bool:
    """Whether updateOutput may still create a band of this name."""
    return "updateOutput" in evalscript.functions and _NUMBERED.fullmatch(band) is not None


def _lacking(kind: str, name: str, known: Sequence[str]) -> str:
    return f"the script has no {kind} '{name}'{suggestion(name, known) or '.'} It has {', '.join(known)}"
