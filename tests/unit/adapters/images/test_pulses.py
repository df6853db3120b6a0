"""Signs that reading goes on: without them, a worker that reads for long would be taken for one that hangs."""

from __future__ import annotations

from pathlib import Path

import pytest

from arpent.adapters.images.reader import CogReader
from arpent.domain.boundary import pulse
from arpent.domain.errors import AssetUnreadable
from arpent.domain.ports.imagery import Block
from tests.support.cogs import formula, write
from tests.support.loopback_s3 import loopback_s3


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """One entry for each sign."""
    signs: list[None] = []
    monkeypatch.setattr(pulse._Heard, "by", lambda: signs.append(None))
    return signs


def test_each_block_that_is_decoded_is_one(heard: list[None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where all bytes are here already, and decoding takes long."""
    href = write(tmp_path / "a.tif", formula(64, 64), tiled=True, blockxsize=16, blockysize=16)
    reader = CogReader()
    monkeypatch.setattr(reader._origins.meter, "add", lambda _: None)
    blocks = [Block(level=0, row=row, column=column) for row in range(4) for column in range(4)]
    assert len(list(reader.read([(href, blocks)]))) == len(heard) == 16
    reader.close()


def test_a_server_that_answers_or_fails_is_one(heard: list[None], tmp_path: Path) -> None:
    """A partition that cannot read its images waits for each of them, which may take hours, and ends in words."""
    with loopback_s3() as server:
        keys = {"access_key_id": server.key, "secret_access_key": "secret", "region": "us-east-1"}
        reader = CogReader(s3_options={"endpoint": server.url, **keys}, retry_seconds=0.0)
        server.faults = [503]
        with pytest.raises(AssetUnreadable):
            reader.describe("s3://bucket/a.tif")
        assert len(heard) == 1
        with pytest.raises(AssetUnreadable, match="does not exist"):
            reader.describe("s3://bucket/a.tif")
        assert len(heard) == 2
        server.buckets["bucket"]["a.tif"] = Path(write(tmp_path / "a.tif", formula(64, 64))).read_bytes()
        reader.describe("s3://bucket/a.tif")
        assert len(heard) > 2
        reader.close()
