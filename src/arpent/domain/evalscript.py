"""Evalscript: what setup() declares (bands, mosaicking, outputs), and what evaluatePixel left out of its outputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum

DATA_MASK = "dataMask"


class Mosaicking(StrEnum):
    """What evaluatePixel gets as `samples`: one sample, or one per orbit or tile (sentinelhub.md 5.2)."""

    SIMPLE = "SIMPLE"
    ORBIT = "ORBIT"
    TILE = "TILE"


class SampleType(StrEnum):
    """Type that an output's numbers are converted to before statistics are computed (sentinelhub.md 5.1)."""

    INT8 = "INT8"
    UINT8 = "UINT8"
    INT16 = "INT16"
    UINT16 = "UINT16"
    FLOAT32 = "FLOAT32"
    AUTO = "AUTO"

    @property
    def integer(self) -> bool:
        """Whether histograms of this type use integer edges. AUTO counts as float (sentinelhub.md 2.4)."""
        return self not in (SampleType.FLOAT32, SampleType.AUTO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One entry of `setup().input`."""

    datasource: str | None
    """Id of the entry of `input.data` to read; None: the only entry."""
    bands: tuple[str, ...]
    """Band names in the order declared; may include dataMask."""
    units: tuple[str | None, ...]
    """Unit of each band; None: the band's default."""
    mosaicking: Mosaicking
    """Mosaicking of this entry; the script's own if the entry has none."""
    metadata: tuple[str, ...] = ()
    """Extra scene fields that the script asks for: `bounds`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One entry of `setup().output`, other than dataMask."""

    id: str
    """Output id; `default` if the script gives none."""
    bands: tuple[str, ...]
    """Band names: the script's own, or B0, B1 …"""
    sample_type: SampleType
    """FLOAT32 unless the script says otherwise."""
    mask: int | None
    """Index of the band of the dataMask output that masks this output; None: not masked (sentinelhub.md 5.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evalscript:
    """What the setup() of a script declares."""

    source: str
    """The user's script."""
    inputs: tuple[Input, ...]
    """Inputs that the script reads; at least one."""
    outputs: tuple[Output, ...]
    """Outputs in the order declared, without dataMask; at least one."""
    mask_bands: int
    """Number of bands of the dataMask output: 1, or one per listed output; 0 if the script declares no mask."""
    functions: frozenset[str]
    """Functions that the script defines, of those that the service calls (`evalscript.service_functions.SERVED`)."""
    remarks: tuple[str, ...] = ()
    """One remark for each part of setup() that is unknown and ignored, with its likely meaning."""

    @property
    def width(self) -> int:
        """How many numbers evaluatePixel returns per pixel, including masks."""
        return sum(len(output.bands) for output in self.outputs) + self.mask_bands


class GapKind(Enum):
    """Kinds of omission by evaluatePixel; the value is a message template with `{output}` and `{samples}`."""

    MISSING_OUTPUT = "output {output} was missing in what evaluatePixel returned for {samples} samples"
    NOTHING = "evaluatePixel returned nothing for {samples} samples"
    UNDEFINED_AS_ZERO = (
        "output {output} held undefined, which counts as 0 in an integer sampleType, in what evaluatePixel returned "
        "for {samples} samples"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Something that evaluatePixel left out for some samples; `str(gap)` is a message for users."""

    kind: GapKind
    """What was left out."""
    output: str = ""
    """Id of the output; empty if evaluatePixel returned nothing at all."""
    samples: int
    """Number of samples concerned, at least 1."""

    def __str__(self) -> str:
        return self.kind.value.format(output=self.output, samples=self.samples)


def sum_gaps(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """The gaps of several calls, merged: samples of the same kind and output are added up, in order of first
    appearance."""
    counts: dict[tuple[GapKind, str], int] = {}
    for gap in gaps:
        key = (gap.kind, gap.output)
        counts[key] = counts.get(key, 0) + gap.samples
    return tuple(Gap(kind=kind, output=output, samples=samples) for (kind, output), samples in counts.items())
