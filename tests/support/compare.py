"""Where an answer differs from the one expected."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

TOLERANCES = {"mean": (1e-12, 1e-15), "stDev": (1e-9, 1e-9)}
"""Relative and absolute; everything else must be equal, and of the same JSON type."""


def differences(actual: Any, expected: Any, path: str = "") -> list[str]:
    """One line for each place where they differ; an empty list: they agree."""
    return list(_differences(actual, expected, path))


def _differences(actual: Any, expected: Any, path: str) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(actual, dict):
        for key in [*expected, *(key for key in actual if key not in expected)]:
            if key not in actual or key not in expected:
                yield f"{path}/{key}: {'missing' if key not in actual else 'surplus'}"
            else:
                yield from _differences(actual[key], expected[key], f"{path}/{key}")
    elif isinstance(expected, list) and isinstance(actual, list):
        if len(actual) != len(expected):
            yield f"{path}: {len(actual)} entries instead of {len(expected)}"
        for index, pair in enumerate(zip(actual, expected, strict=False)):
            yield from _differences(*pair, f"{path}[{index}]")
    elif not _same(actual, expected, path.rsplit("/", 1)[-1]):
        yield f"{path}: {actual!r} instead of {expected!r}"


def _same(actual: Any, expected: Any, key: str) -> bool:
    if isinstance(expected, bool) or not isinstance(expected, int | float):
        return bool(actual == expected)
    if type(actual) is not type(expected):
        return False
    relative, absolute = TOLERANCES.get(key, (0.0, 0.0))
    return math.isclose(actual, expected, rel_tol=relative, abs_tol=absolute)
