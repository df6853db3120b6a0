"""Kernel: how functions are compiled that are called by kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def inner(function: Function) -> Function:
    """Decorator of functions that kernels call often. They borrow arrays: numba otherwise counts the references of each
    array where a function or a slice begins and ends, by atomic steps, which took two fifths of the time of rasterising
    parcels. They may slice arrays, but neither they nor what they call, which numba compiles likewise, may make any."""
    # `_nrt` is what numba has for it, though not in its manual; a version without it refuses the option.
    options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
    return cast("Function", njit(**options)(function))
