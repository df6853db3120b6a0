"""How long to fuzz, and from which seed: FUZZ_SEED, FUZZ_COUNT (cases of each kind), FUZZ_SECONDS (of each kind)."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MOST_TOLD = 10


@dataclass(frozen=True, kw_only=True)
class Plan:
    seed: int
    count: int
    seconds: float
    first: int = 0

    def numbers(self) -> Iterator[int]:
        """The cases of one kind, until count or time is used up."""
        end = time.monotonic() + self.seconds
        for number in range(self.first, self.first + self.count):
            if time.monotonic() > end:
                return
            yield number


def plan(count: int, seconds: float) -> Plan:
    """What the variables say, else these; the seed is drawn by chance."""
    return Plan(
        seed=int(os.environ.get("FUZZ_SEED") or random.SystemRandom().randrange(2**31)),
        count=int(os.environ.get("FUZZ_COUNT") or count),
        seconds=float(os.environ.get("FUZZ_SECONDS") or seconds),
        first=int(os.environ.get("FUZZ_FIRST") or 0),
    )


def faults(plan: Plan, kind: str, look: Callable[[int], str | None]) -> list[str]:
    """What went wrong, each with how to see it again."""
    found, tried = [], 0
    for number in plan.numbers():
        tried += 1
        if wrong := look(number):
            again = f"FUZZ_SEED={plan.seed} FUZZ_FIRST={number} FUZZ_COUNT=1 make fuzz"
            found.append(f"{kind} {number} ({again}): {wrong}")
            if len(found) == MOST_TOLD:
                break
    print(f"{kind}: {tried} cases of seed {plan.seed}, {len(found)} faults", flush=True)
    return found
