"""Footers of stac-geoparquet files: one that ends the process that reads it ends nobody else."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.parquet import encryption

from arpent.adapters.catalogs.geoparquet import catalog, footers
from arpent.adapters.catalogs.geoparquet.catalog import GeoParquetCatalog
from arpent.adapters.catalogs.geoparquet.footers import damaged, footer_of
from arpent.adapters.collections.files import load_collections
from arpent.domain.errors import CatalogUnavailable
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from tests.support.geoparquet import Document, write_geoparquet

LIST_OF_TWO = 0x26
"""Of 64-bit numbers, in the compact protocol of Thrift."""
YEAR = Interval(start=datetime(2020, 1, 1, tzinfo=UTC), end=datetime(2021, 1, 1, tzinfo=UTC))


def item(number: int) -> Document:
    return {
        "type": "Feature", "id": f"item {number}", "collection": "sentinel-2-l2a", "bbox": [10, 40, 11, 41],
        "geometry": {"type": "Polygon", "coordinates": [[[10, 40], [11, 40], [11, 41], [10, 41], [10, 40]]]},
        "properties": {"datetime": "2020-01-06T00:00:00Z", "eo:cloud_cover": number, "constellation": "sentinel-2"},
        "assets": {"red": {"href": f"https://images.test/{number}.tif"}},
    }  # fmt: skip


def searched(path: Path) -> tuple[Item, ...]:
    return GeoParquetCatalog(str(path)).search(load_collections()["sentinel-2-l2a"], YEAR, (-180.0, -90.0, 180.0, 90.0))


def test_odd_footers_end_nobody(tmp_path: Path) -> None:
    """Lists of two numbers, of which the footer says that they have three: pyarrow ends the process over some, which
    ones hangs on its version."""
    path = tmp_path / "items.parquet"
    write_geoparquet(path, [item(number) for number in range(3)])
    content = path.read_bytes()
    found = []
    for place in range(len(content) - int.from_bytes(content[-8:-4], "little") - 8, len(content) - 8):
        if content[place] == LIST_OF_TWO:
            path.write_bytes(content[:place] + bytes([LIST_OF_TWO + 16]) + content[place + 1 :])
            with suppress(pa.ArrowException, OSError):
                pq.read_metadata(path)
                found.append(footer_of(pa.OSFile(str(path)), path.name))
    assert found
    assert set(damaged(found[:12])) <= set(range(12))


@pytest.mark.parametrize("plain", [True, False])
def test_encrypted_files_end_nobody(tmp_path: Path, plain: bool) -> None:
    """pyarrow crashes where it writes a footer whose columns are encrypted, and where it looks at these."""
    path = tmp_path / "items.parquet"
    write_geoparquet(path, [item(1)])
    keys = encryption.EncryptionConfiguration(footer_key="f", column_keys={"c": ["id"]}, plaintext_footer=plain)
    made = encryption.CryptoFactory(lambda _: _Keys()).file_encryption_properties(
        encryption.KmsConnectionConfig(), keys
    )
    pq.write_table(pq.read_table(path), path, encryption_properties=made)
    os.utime(path, (1, 1))
    with pytest.raises(CatalogUnavailable, match=r"items\.parquet is .*encrypted") as caught:
        searched(tmp_path)
    assert not caught.value.transient


class _Keys(encryption.KmsClient):
    """Keys that are kept as they are."""

    def wrap_key(self, key: bytes, _: str) -> bytes:
        return key

    def unwrap_key(self, key: bytes, _: str) -> bytes:
        return key


def test_a_damaged_footer_ends_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(footers, "_sound", set())
    monkeypatch.setattr(footers, "_TRY", "import os, sys; b'item 3' in sys.stdin.buffer.read() and os.abort()")
    for number in range(1, 5):
        write_geoparquet(tmp_path / f"{number}.parquet", [item(number)])
    each = [footer_of(pa.OSFile(str(path)), path.name) for path in sorted(tmp_path.iterdir())]
    assert damaged(each) == [2]
    monkeypatch.setattr(footers, "_TRY", "import os; os.abort()")  # what is sound is not tried again
    assert damaged(each) == [2]
    with pytest.raises(CatalogUnavailable, match=r"3\.parquet is damaged or encrypted: its footer"):
        searched(tmp_path)


@pytest.mark.parametrize(
    ("trial", "words", "transient"),
    [
        ("import time; time.sleep(60)", "could not be checked within 1 s", True),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was killed", True),
        ("import no_such_module", "could not be checked: ModuleNotFoundError: .*no_such_module", False),
    ],
)
def test_a_trial_that_fails_says_nothing_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trial: str, words: str, transient: bool
) -> None:
    path = tmp_path / "items.parquet"
    write_geoparquet(path, [item(1)])
    monkeypatch.setattr(footers, "_sound", set())
    if "sleep" in trial:
        monkeypatch.setattr(footers, "SECONDS_LEFT", 1.0)
        monkeypatch.setattr(catalog, "SECONDS", 1.0)
    with monkeypatch.context() as changed:
        changed.setattr(footers, "_TRY", trial)
        with pytest.raises(CatalogUnavailable, match=words) as refused:
            searched(path)
    assert refused.value.transient is transient
    monkeypatch.undo()
    assert len(searched(path)) == 1
