"""Services are kept for each settings; what earlier ones leave behind is not."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

from arpent.settings import Settings
from arpent.worker import services_of


class _Circle:
    """Garbage that only a collection finds."""

    def __init__(self) -> None:
        self.itself = self


def settings(folder: Path) -> Settings:
    return Settings(buckets=folder, catalog=str(folder))


def test_what_a_request_leaves_behind_is_collected_after_the_next(tmp_path: Path) -> None:
    """As in a notebook, where each has a folder of its own: interpreters lived on with what could not be collected."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    services_of(settings(folders[0]))
    gc.disable()
    try:
        left = weakref.ref(_Circle())
        services_of(settings(folders[1]))
        assert left() is not None
        gc.collect()
    finally:
        gc.enable()
    assert left() is None
