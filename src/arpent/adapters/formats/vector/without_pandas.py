"""Without pandas: keeps pyogrio and pyarrow from loading pandas, which arpent does not need to read and write features
and tables."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

LEFT_OUT = ("geopandas", "pandas")


class Absence:
    """An import finder that reports the modules in LEFT_OUT as not installed."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Raises ModuleNotFoundError for the modules in LEFT_OUT."""
        if name in LEFT_OUT:
            raise ModuleNotFoundError(f"No module named {name!r} in processes of arpent", name=name)
        return None


def leave_pandas_out() -> None:
    """Keep pyogrio and pyarrow from loading pandas and GeoPandas where they are installed, which takes a second. Only
    for arpent's own processes: programs that import arpent may use pandas themselves."""
    if Absence not in sys.meta_path:
        sys.meta_path.insert(0, Absence)
