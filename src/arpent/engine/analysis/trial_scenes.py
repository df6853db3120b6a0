"""Trial scenes: what a dry run gives a script: scenes of the job, or made-up ones, and made-up samples in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from arpent.domain.evalscript import DATA_MASK, Mosaicking
from arpent.domain.interval import Interval, iso_seconds
from arpent.domain.ports.scripts import Scene, ScriptInput
from arpent.engine.band_bindings import BandBinding

TRIAL_NUMBERS = (0, 1200, 3400, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 6000, 10_000)
"""Digital numbers the script is tried on: no data, dark, bright, every class, brighter. From the fourth on each band
has them in another order."""
ALIKE = 3
"""So many samples have the same number in every band."""
PARTS = (slice(0, ALIKE), slice(ALIKE, None))
"""The samples in the order in which they are tried: the others only if it throws for all of the first."""
TRIAL_CLASSES = 12
"""Class bands see numbers below this one."""
DEPTHS = (2, 1, 3, 6, 12, 40)
"""Numbers of made-up scenes, in the order in which they are tried."""
LAST_DAY = datetime(2020, 6, 30, tzinfo=UTC)
"""Of the newest made-up scene."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialScenes:
    """One interval as the script may see it."""

    scenes: tuple[tuple[Scene, ...], ...]
    """Per input; none for SIMPLE."""
    interval: Interval
    """Theirs."""
    made_up: bool
    """Whether nobody has seen them."""

    @property
    def where(self) -> str:
        """In words."""
        if not any(self.scenes):
            return "without scenes"
        count = max(len(group) for group in self.scenes)
        many = f"{count} scene" + ("" if count == 1 else "s")
        return f"in {many}, made-up too" if self.made_up else f"in the {many} from {iso_seconds(self.interval.start)}"


def made_up_scenes(bindings: Sequence[BandBinding]) -> tuple[TrialScenes, ...]:
    """Worlds without imagery: few scenes and many, of different days. One, without scenes, if all inputs are SIMPLE."""
    scened = [binding.input.mosaicking is not Mosaicking.SIMPLE for binding in bindings]
    return tuple(
        TrialScenes(
            scenes=tuple(_made_up(depth) if each else () for each in scened),
            interval=Interval(start=LAST_DAY - timedelta(days=depth), end=LAST_DAY + timedelta(days=1)),
            made_up=True,
        )
        for depth in (DEPTHS if any(scened) else DEPTHS[:1])
    )


def _made_up(depth: int) -> tuple[Scene, ...]:
    """An orbit and a tile in one; a script reads what its mosaicking gives it. The newest comes first."""
    scenes = []
    for number in range(depth):
        day = (LAST_DAY - timedelta(days=number)).strftime("%Y-%m-%d")
        tile: Mapping[str, object] = {
            "date": f"{day}T10:00:00Z", "cloudCoverage": 10.0, "dataPath": f"s3://trial/{number}", "shId": number + 1,
        }  # fmt: skip
        orbit = {"dateFrom": f"{day}T00:00:00Z", "dateTo": f"{day}T23:59:59Z", "tiles": [tile]}
        scenes.append(Scene(fields={**tile, **orbit}))
    return tuple(scenes)


def trial_inputs(
    bindings: Sequence[BandBinding], scenes: Sequence[Sequence[Scene]], samples: slice
) -> list[ScriptInput]:
    """Some of the made-up samples in these scenes (per input)."""
    return [_trial_input(binding, tuple(group), samples) for binding, group in zip(bindings, scenes, strict=True)]


def _trial_input(binding: BandBinding, scenes: tuple[Scene, ...], samples: slice) -> ScriptInput:
    scened = binding.input.mosaicking is not Mosaicking.SIMPLE
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
    alike, others = TRIAL_NUMBERS[:ALIKE], TRIAL_NUMBERS[ALIKE:]
    return np.array([*alike, *np.roll(others, place)], np.uint16)
