"""A damaged folder of compiled kernels: what runs first in each kind of process has it tolerated."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from arpent.adapters.objects.folder import FolderObjects
from arpent.domain.location import FeatureFile
from arpent.settings import Settings
from arpent.wiring.local import feature_processes, isolated_features

PARCEL = """{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry":
 {"type": "Polygon", "coordinates": [[[15, 45], [15.1, 45], [15.1, 45.1], [15, 45]]]}}]}"""


def test_files_of_features_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their outlines are checked in the process that reads them, which has nothing else to do with kernels."""
    kernels, bucket = tmp_path / "kernels", tmp_path / "buckets" / "fields"
    bucket.mkdir(parents=True)
    (bucket / "parcel.geojson").write_text(PARCEL)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(kernels))
    settings = Settings(buckets=bucket.parent, catalog=str(tmp_path))
    for expected in ("made", "damaged"):
        with closing(feature_processes(settings, reserve=0)) as reading:
            source = isolated_features(settings, FolderObjects(bucket.parent), reading, "anna", lambda: True)
            found = source.features(FeatureFile(scheme="s3", bucket="fields", key="parcel.geojson"))
        assert found.valid is not None
        assert found.valid.tolist() == [True]
        indices = list(kernels.rglob("*.nbi"))
        assert indices, expected
        for index in indices:
            index.write_bytes(b"no pickle")
