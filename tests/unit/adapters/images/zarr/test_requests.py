"""What several threads need of a Zarr store is requested once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import zarr

from arpent.adapters.images.reader import CogReader
from arpent.domain.ports.imagery import Block
from tests.support.cogs import formula
from tests.support.web import Web, serve
from tests.support.zarrs import GROUP, write_product

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*[Cc]onsolidated metadata"),
    pytest.mark.filterwarnings("ignore::zarr.errors.ZarrUserWarning"),
]


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    with serve(tmp_path) as web:
        web.seconds = 0.05  # so that all threads ask before the first answer
        yield web


@pytest.fixture
def reader() -> Iterator[CogReader]:
    reader = CogReader()
    yield reader
    reader.close()


def test_the_consolidated_metadata_of_bands_opened_at_once(tmp_path: Path, web: Web, reader: CogReader) -> None:
    write_product(tmp_path / "a.zarr", formula(150, 210), version=3, consolidated=False)
    for band in ("b02", "b03"):
        shutil.copytree(tmp_path / "a.zarr" / GROUP / "b04", tmp_path / "a.zarr" / GROUP / band)
    zarr.consolidate_metadata(str(tmp_path / "a.zarr"), zarr_format=3)
    hrefs = [f"{web.url}/a.zarr/{GROUP}/{band}" for band in ("b02", "b03", "b04")]
    reader.prepare(hrefs)
    assert {reader.describe(href).levels[0].width for href in hrefs} == {210}
    assert [path for path in web.asked if path.endswith("zarr.json")] == ["/a.zarr/zarr.json"]


def test_the_index_of_a_shard_whose_chunks_are_read_at_once(tmp_path: Path, web: Web, reader: CogReader) -> None:
    write_product(tmp_path / "a.zarr", formula(128, 128), version=3, shards=(128, 128))
    blocks = [Block(level=0, row=row, column=column) for row in range(2) for column in range(2)]
    assert len(list(reader.read([(f"{web.url}/a.zarr/{GROUP}/b04", blocks)]))) == len(blocks)
    asked = [path for path in web.asked if path.endswith("/c/0/0")]
    assert len(asked) == 2 + len(blocks), "its size, its index and each chunk"
