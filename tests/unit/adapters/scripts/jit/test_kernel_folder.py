"""Kernels without their folder: full, read-only or damaged."""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from numba import config, njit
from numba.core.caching import IndexDataCacheFile

from arpent.adapters.scripts.jit import kernel_folder


def twice(number: float) -> float:
    return 2 * number


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernel_folder._Said, "yet", False)
    kernel_folder.tolerate_faults()
    kernel_folder.tolerate_faults()
    return tmp_path


def kernel() -> Any:
    """As another process would have it."""
    return njit(cache=True)(twice)


def kept(folder: Path, ending: str) -> list[Path]:
    return sorted(folder.rglob(f"*{ending}"))


@pytest.mark.parametrize("ending", [".nbi", ".nbc"], ids=["index", "code"])
def test_a_full_folder_costs_no_job(
    folder: Path, ending: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = IndexDataCacheFile._open_for_write

    @contextmanager
    def full(self: IndexDataCacheFile, path: str) -> Iterator[Any]:
        if path.endswith(ending):
            raise OSError(errno.ENOSPC, "No space left on device", path)
        with real(self, path) as file:
            yield file

    with monkeypatch.context() as patched, caplog.at_level(logging.WARNING):
        patched.setattr(IndexDataCacheFile, "_open_for_write", full)
        assert [kernel()(each) for each in (1.5, 2)] == [3.0, 4]
    (warning,) = caplog.messages
    assert "No space left on device" in warning
    assert "NUMBA_CACHE_DIR" in warning
    assert kept(folder, ".nbi") == [], "it lists code that is another version's, or none"
    assert kernel()(1.5) == 3.0
    assert len(kept(folder, ".nbc")) == len(kept(folder, ".nbi")) == 1


@pytest.mark.parametrize("content", [b"", b"no pickle"])
@pytest.mark.parametrize("ending", [".nbi", ".nbc"], ids=["index", "code"])
def test_a_damaged_file_is_made_anew(
    folder: Path, ending: str, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """As a power cut leaves it."""
    assert kernel()(1.5) == 3.0
    (file,) = kept(folder, ending)
    file.write_bytes(content)
    assert kernel()(1.5) == 3.0
    assert "cannot be kept" in caplog.text
    fresh = kernel()
    assert fresh(1.5) == 3.0
    assert sum(fresh.stats.cache_hits.values()) == 1
