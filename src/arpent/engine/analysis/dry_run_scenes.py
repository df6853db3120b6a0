"""Dry run scenes: the input of a script's dry run: scenes of the job or made-up scenes, always with made-up samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from arpent.domain.evalscript import DATA_MASK
from arpent.domain.interval import Interval, iso_seconds
from arpent.domain.ports.scripts import Scene, ScriptInput
from arpent.engine.band_bindings import BandBinding

DRY_RUN_NUMBERS = (0, 1200, 3400, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 6000, 10_000)
"""Digital numbers of the made-up samples: no data, dark, bright, every class, brighter. From the fourth on, their order
differs from band to band."""
ALIKE = 3
"""Number of samples, at the beginning, that have the same digital number in every band."""
PARTS = (slice(0, ALIKE), slice(ALIKE, None))
"""Parts of the samples in the order in which they are tried; the second only if the script throws for all samples of
the first."""
TRIAL_CLASSES = 12
"""Categorical bands get numbers below this."""
DEPTHS = (2, 1, 3, 6, 12, 40)
"""Numbers of made-up scenes, in the order in which they are tried."""
LAST_DAY = datetime(2020, 6, 30, tzinfo=UTC)
"""Date of the newest made-up scene."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRunScenes:
    """The scenes of one interval as the script sees them."""

    scenes: tuple[tuple[Scene, ...], ...]
    """Scenes per input; empty for SIMPLE."""
    interval: Interval
    """Interval of the scenes."""
    made_up: bool
    """Whether the scenes are made up."""

    @property
    def where(self) -> str:
        """The scenes in words, for messages: "in the 3 scenes from …"."""
        if not any(self.scenes):
            return "without scenes"
        count = max(len(group) for group in self.scenes)
        many = f"{count} scene" + ("" if count == 1 else "s")
        return (
            f"in {many} that were made up, too"
            if self.made_up
            else f"in the {many} from {iso_seconds(self.interval.start)}"
        )


def made_up_scenes(bindings: Sequence[BandBinding]) -> tuple[DryRunScenes, ...]:
    """Made-up scenes, one entry for each number of scenes in DEPTHS; the scenes of an entry are a day apart. If all
    inputs are SIMPLE: one entry without scenes."""
    scened = [binding.has_scenes for binding in bindings]
    return tuple(
        DryRunScenes(
            scenes=tuple(_made_up(depth) if each else () for each in scened),
            interval=Interval(start=LAST_DAY - timedelta(days=depth), end=LAST_DAY + timedelta(days=1)),
            made_up=True,
        )
        for depth in (DEPTHS if any(scened) else DEPTHS[:1])
    )


def _made_up(depth: int) -> tuple[Scene, ...]:
    """`depth` scenes, newest first, with the fields of both ORBIT and TILE; a script reads those of its mosaicking."""
    scenes = []
    for number in range(depth):
        day = (LAST_DAY - timedelta(days=number)).strftime("%Y-%m-%d")
        tile: Mapping[str, object] = {
            "date": f"{day}T10:00:00Z", "cloudCoverage": 10.0, "dataPath": f"s3://trial/{number}", "shId": number + 1,
        }  # fmt: skip
        orbit = {"dateFrom": f"{day}T00:00:00Z", "dateTo": f"{day}T23:59:59Z", "tiles": [tile]}
        scenes.append(Scene(fields={**tile, **orbit}))
    return tuple(scenes)


def dry_run_inputs(
    bindings: Sequence[BandBinding], scenes: Sequence[Sequence[Scene]], samples: slice
) -> list[ScriptInput]:
    """The input for the made-up samples selected by `samples`, in these scenes (per input)."""
    return [_dry_run_input(binding, tuple(group), samples) for binding, group in zip(bindings, scenes, strict=True)]


def _dry_run_input(binding: BandBinding, scenes: tuple[Scene, ...], samples: slice) -> ScriptInput:
    scened = binding.has_scenes
    categorical = {requested.band.name for requested in binding.requests if requested.band.categorical}
    values = []
    for place, name in enumerate(binding.input.bands):
        numbers = _numbers(place)
        if name == DATA_MASK:
            numbers = (_numbers(0) > 0).astype(np.uint8)
        elif name in categorical:
            numbers %= TRIAL_CLASSES
        numbers = numbers[samples]
        values.append(
            np.ascontiguousarray(np.broadcast_to(numbers, (len(scenes), len(numbers)))) if scened else numbers
        )
    return ScriptInput(values=tuple(values), scales=binding.scales, scenes=scenes)


def _numbers(place: int) -> NDArray[np.uint16 | np.uint8]:
    alike, others = DRY_RUN_NUMBERS[:ALIKE], DRY_RUN_NUMBERS[ALIKE:]
    return np.array([*alike, *np.roll(others, place)], np.uint16)
