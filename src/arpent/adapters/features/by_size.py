"""By size: a FeatureSource that reads small files in this process, and others in a process that may crash."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from arpent.adapters.features.direct import DirectFeatures
from arpent.domain.errors import LimitExceeded
from arpent.domain.feature import Features
from arpent.domain.location import FeatureFile, Location
from arpent.domain.ports.features import FeatureSource

Answer = TypeVar("Answer")
ARCHIVE = ".zip"
"""Ending of files that are larger when they are unpacked."""


class FeaturesBySize:
    """For commands on the command line: starting another process would take longer than reading a small file."""

    def __init__(self, direct: DirectFeatures, elsewhere: FeatureSource, most_bytes: int) -> None:
        """`most_bytes`: size of the largest file that `direct` reads here; `elsewhere` reads the others."""
        self._here = replace(direct, most_bytes=min(most_bytes, direct.most_bytes))
        self._elsewhere = elsewhere

    def features(self, file: FeatureFile, most: int | None = None) -> Features:
        return self._ask(file, lambda source: source.features(file, most))

    def feature(self, file: FeatureFile, feature: int) -> Features | None:
        return self._ask(file, lambda source: source.feature(file, feature))

    def copy(self, file: FeatureFile, target: Location, about: str) -> None:
        self._ask(file, lambda source: source.copy(file, target, about))

    def _ask(self, file: FeatureFile, question: Callable[[FeatureSource], Answer]) -> Answer:
        if not file.key.lower().endswith(ARCHIVE) and not self._is_large(file):
            with suppress(LimitExceeded):  # from the download
                return question(self._here)
        return question(self._elsewhere)

    def _is_large(self, file: FeatureFile) -> bool:
        """Whether the file is on this machine and too large, or a folder; the download checks the size of one in a
        bucket."""
        path = Path("/", file.key)
        return file.local and not (path.is_file() and path.stat().st_size <= self._here.most_bytes)
