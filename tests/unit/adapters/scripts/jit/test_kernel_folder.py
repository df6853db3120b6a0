"""Kernels without their folder: full, read-only or damaged."""

from __future__ import annotations

import errno
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from numba import config, njit
from numba.core.caching import CacheImpl, IndexDataCacheFile, InTreeCacheLocator

from arpent.adapters.scripts.jit import kernel_folder


def twice(number: float) -> float:
    return 2 * number


FACTOR = 2.0
"""As if another file held it: numba does not see that it changes."""


def scaled(number: float) -> float:
    return FACTOR * number


scaled.__module__ = "arpent.made"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, scaled.__module__, sys.modules[__name__])  # numba imports it to load the kernel
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


def scale(factor: float, version: str, monkeypatch: pytest.MonkeyPatch) -> float:
    """What a process of this version makes of 1, once it has loaded or compiled its kernel."""
    monkeypatch.setitem(scaled.__globals__, "FACTOR", factor)
    monkeypatch.setattr(kernel_folder, "version", lambda: version)
    return float(njit(cache=True)(scaled)(1.0))


def test_no_version_loads_what_another_one_compiled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both stay in a folder that they share."""
    assert [scale(factor, "new", monkeypatch) for factor in (3.0, 5.0)] == [3.0, 3.0], "numba compares this file only"
    assert scale(7.0, "old", monkeypatch) == 7.0
    assert [scale(9.0, version, monkeypatch) for version in ("new", "old")] == [3.0, 7.0]
    assert len(kept(folder, ".nbi")) == len(kept(folder, ".nbc")) == 2


def test_an_upgrade_replaces_what_stands_beside_the_sources(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "CACHE_DIR", "")
    monkeypatch.setattr(CacheImpl, "_locator_classes", [InFolder])
    monkeypatch.setattr(InFolder, "folder", folder)
    assert [scale(*each, monkeypatch) for each in ((3.0, "old"), (5.0, "new"), (6.0, "new"))] == [3.0, 5.0, 5.0]
    assert len(kept(folder, ".nbi")) == len(kept(folder, ".nbc")) == 1


class InFolder(InTreeCacheLocator):
    """Beside the source."""

    folder = Path()

    def get_cache_path(self) -> str:
        return str(self.folder)


def test_what_a_folder_allows_only_to_read_is_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As that of a container image, where nothing is written."""
    assert scale(3.0, "image", monkeypatch) == 3.0

    def refuse(self: IndexDataCacheFile, path: str) -> Any:
        raise AssertionError("nothing is to be written")

    monkeypatch.setattr(IndexDataCacheFile, "_open_for_write", refuse)
    assert scale(5.0, "image", monkeypatch) == 3.0


def test_each_source_of_a_kernel_makes_another_version(tmp_path: Path) -> None:
    def version(**files: str) -> str:
        package = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, text in {"zonal/sums.py": "A = 1", "domain/boundary/kernel.py": "B = 2", **files}.items():
            path = package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return kernel_folder.version(package)

    changed = [version(**{name: "A = 3"}) for name in ("zonal/sums.py", "domain/boundary/kernel.py", "zonal/more.py")]
    assert len({version(), *changed}) == 4
    assert version(**{"cli/main.py": "A = 3"}) == version(), "no kernel needs it"


def test_kernels_need_no_other_rooms() -> None:
    packages = tuple(name.replace("/", ".") for name in kernel_folder.KERNEL_PACKAGES)
    found = 0
    for path in sorted(kernel_folder.PACKAGE.rglob("*.py")):
        if re.search(r"\bnjit\(|^@inner\b|\bintrinsic\(", text := path.read_text(), re.MULTILINE):
            found += 1
            assert str(path.relative_to(kernel_folder.PACKAGE)).startswith(kernel_folder.KERNEL_PACKAGES), path
            for module in re.findall(r"^ *from arpent\.(\S+) import", text, re.MULTILINE):
                assert module.startswith(packages), (path, module)
    assert found > 15
