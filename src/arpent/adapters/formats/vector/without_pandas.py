"""Without pandas: what reads and writes files of features and tables here needs no pandas."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

LEFT_OUT = ("geopandas", "pandas")


class Absence:
    """A finder of modules that answers for those that are left out: they are not there."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Raises ModuleNotFoundError for what is left out."""
        if name in LEFT_OUT:
            raise ModuleNotFoundError(f"No module named {name!r} in processes of arpent", name=name)
        return None


def leave_pandas_out() -> None:
    """Keep pyogrio and pyarrow from loading pandas and GeoPandas where they are installed, which takes a second. For
    processes of arpent only: in those of people who import arpent, pandas is theirs to use."""
    if Absence not in sys.meta_path:
        sys.meta_path.insert(0, Absence)
