"""arpent: what did each of these fields look like, over time?"""

from __future__ import annotations

__version__ = "0.1.0"

_HOMES = {
    "ArpentError": "arpent.domain.errors",
    "Client": "arpent.api.client",
    "explain": "arpent.api.explain",
    "statistics": "arpent.api.statistics",
}
"""Public name → its module, which is loaded when the name is first used, so that `import arpent` is fast. The types are
in `__init__.pyi`."""
__all__ = ["ArpentError", "Client", "__version__", "explain", "statistics"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'arpent' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
