"""Mutations of JSON values and of bytes, drawn from a seeded die: the same seed and number, the same case."""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

ODD: tuple[Callable[[random.Random], Any], ...] = (
    lambda _: None,
    lambda _: True,
    lambda _: {},
    lambda _: [],
    lambda _: "",
    lambda die: die.choice([0, -1, 1, 255, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30]),
    lambda die: die.choice([0.0, -0.0, 1e-308, 1e308, 0.1, 1.5, -1e17, 99.999]),
    lambda die: die.choice(["\0", "\ud800", "é" * 300, "../..", "<ID>", "${x}", "%00", "//VERSION=3", "NaN", "\u202e"]),
    lambda die: "".join(chr(die.randrange(0x20, 0x3000)) for _ in range(die.randrange(40))),
    lambda die: die.choice(["P1D", "P0D", "-P1D", "P1Y2M3DT4H", "P999999999Y", "PT1H", "P"]),
    lambda die: die.choice(["2020-01-01T00:00:00Z", "0000-00-00T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "now"]),
    lambda die: [die.choice([1, 1.0, None, "x", [], {}])] * die.choice([1, 3, 1000]),
    lambda die: {die.choice(["k", "s3", "default", "", "type"]): die.choice([1, None, "x", [], {}])},
    lambda die: nested(die.choice([5, 60, 70])),
)
"""Values to put anywhere."""


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def case(seed: int, number: int, kind: str) -> random.Random:
    """The die of one case."""
    return random.Random(f"{seed}/{kind}/{number}")


def of_json(die: random.Random, value: Any) -> Any:
    """A copy with one to four changes: a value replaced, a key renamed, doubled, misplaced or taken away."""
    made = copy.deepcopy(value)
    for _ in range(die.choice([1, 1, 1, 2, 4])):
        places = list(_places(made))
        if not places:
            break
        holder, key = die.choice(places)
        _change(die, holder, key, places)
    return made


def _change(die: random.Random, holder: Any, key: Any, places: list[tuple[Any, Any]]) -> None:
    what = die.randrange(6)
    if what == 0:
        del holder[key]
    elif what == 1 and isinstance(holder, dict):
        holder[die.choice([str(key).upper(), str(key)[:-1], f"{key}s", ""])] = holder.pop(key)
    elif what == 2 and isinstance(holder, list):
        holder.extend(copy.deepcopy(holder[key]) for _ in range(die.choice([1, 50])))
    elif what == 3:
        other, there = die.choice(places)
        if isinstance(other, dict):
            other[key if isinstance(key, str) else there] = copy.deepcopy(holder[key])
    else:
        holder[key] = die.choice(ODD)(die)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (holder, key) of the value."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def text(value: Any) -> bytes:
    """JSON; half characters stay escaped."""
    return json.dumps(value).encode()


def of_bytes(die: random.Random, payload: bytes, most: int = 8) -> bytes:
    """Bits flipped, numbers set, pieces cut, doubled, moved or filled: anywhere, but more often near the start."""
    made = bytearray(payload)
    for _ in range(die.randint(1, most)):
        if not made:
            return bytes(made)
        at = die.randrange(min(len(made), die.choice([64, 512, 4096, len(made)])))
        size = min(die.choice([1, 2, 4, 8, 64, 512]), len(made) - at)
        what = die.randrange(7)
        if what == 0:
            made[at] ^= 1 << die.randrange(8)
        elif what == 1:
            made[at : at + size] = die.randbytes(size)
        elif what == 2:
            made[at : at + 4] = struct.pack(
                die.choice("<>") + "I", die.choice([0, 1, 8, 0x7FFFFFFF, 0xFFFFFFFF, at, len(made), 65_535])
            )
        elif what == 3:
            del made[at : at + size]
        elif what == 4:
            made[at:at] = made[at : at + size]
        elif what == 5:
            made[at : at + size] = die.choice([b"\0", b"\xff", b"'", b"["]) * size
        else:
            del made[len(made) - die.randrange(len(made)) :]
    return bytes(made)
