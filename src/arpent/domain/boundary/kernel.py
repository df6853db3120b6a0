"""Kernel: how numba compiles the functions that kernels call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def inner(function: Function) -> Function:
    """Decorator for functions that kernels call often. They borrow arrays: by default numba updates the reference count
    of each array atomically at every function call and slice, which took 40 % of the time of rasterising parcels. They
    may slice arrays, but neither they nor the functions that they call, which inherit this, may create any."""
    # `_nrt` is numba's undocumented option for this; a version without it would reject the option.
    options: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
    return cast("Function", njit(**options)(function))
