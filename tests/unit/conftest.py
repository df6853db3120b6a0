"""Unit tests of the domain touch no disk; those of what stands on a disk may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.no_disk import no_disk

UNIT = Path(__file__).parent
ON_DISK = (
    "adapters/", "api/", "cli/", "domain/test_crs_text.py", "landscape/", "server/", "engine/test_chunks.py",
    "engine/test_explain.py",
    "engine/test_hints.py", "engine/test_isolation.py", "engine/test_once.py", "engine/test_together.py",
    "engine/test_unforeseen.py",
    "jobs/test_boundaries.py", "jobs/test_bucket_grants.py", "network/", "test_analysis_held.py",
    "test_kept_services.py", "test_loading.py", "test_page.py", "test_places.py", "test_settings.py",
)  # fmt: skip
"""How their paths begin; those of the engine run over images, those of jobs over databases and buckets, those of the
network over images and links, and one shows what PROJ opens."""


@pytest.fixture(autouse=True, scope="module")
def guarded_disk(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that writes fails, and says what."""
    if request.path.relative_to(UNIT).as_posix().startswith(ON_DISK):
        yield
        return
    with no_disk():
        yield
