"""The behaviour of every AssetReader: one class, over local files with one and three threads, over http and over S3:
a small one on loopback, and a real gateway where there is one, with keys and with signed links."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any, NoReturn
from uuid import uuid4

import numpy as np
import obstore
import pytest
from obstore.store import S3Store
from tifffile import TiffFile

from arpent.adapters.images.reader import CogReader
from arpent.domain.errors import AssetUnreadable
from arpent.domain.imagery.raster import Level
from arpent.domain.ports.imagery import Block
from tests.support.cogs import TRANSFORM, UTM, formula, write
from tests.support.gateway import make_bucket
from tests.support.web import serve

TILED = {"tiled": True, "blockxsize": 64, "blockysize": 64}
DEFLATE = {**TILED, "compress": "deflate", "predictor": 2}


@dataclass(frozen=True)
class Case:
    """A reader, and how it names the files of a folder."""

    reader: CogReader
    folder: Path
    name: Callable[[str], str]
    store: S3Store | None = None
    """Where the files must be put to be found, if the folder is not it."""

    def make(self, name: str, pixels: np.ndarray, **options: Any) -> str:
        write(self.folder / name, pixels, **options)
        return self.put(name, (self.folder / name).read_bytes())

    def put(self, name: str, content: bytes) -> str:
        (self.folder / name).write_bytes(content)
        if self.store is not None:
            obstore.put(self.store, name, content)
        return self.name(name)


def read_all(reader: CogReader, href: str) -> None:
    """Header and every block of its first level."""
    list(reader.read([(href, every_block(reader.describe(href).levels[0]))]))


GATEWAY = [pytest.param(name, marks=pytest.mark.services) for name in ("gateway", "gateway, signed links")]


@pytest.fixture(params=["one thread", "three threads", "http", "s3", *GATEWAY])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    reader = CogReader(threads=3 if request.param == "three threads" else 1)
    if request.param.startswith("gateway"):
        endpoint = os.environ.get("ARPENT_TEST_S3_ENDPOINT")
        if not endpoint:
            pytest.skip("needs an S3 gateway: run `make test-services`, or set ARPENT_TEST_S3_ENDPOINT to its URL")
        bucket, keys = f"images-{uuid4().hex[:8]}", ("testkey", "testsecret")
        store = make_bucket(endpoint, bucket, keys)
        if request.param == "gateway":
            options = {"access_key_id": keys[0], "secret_access_key": keys[1], "region": "us-east-1"}
            reader = CogReader(s3_options={"endpoint": endpoint, **options})
            yield Case(reader, tmp_path, lambda name: f"s3://{bucket}/{name}", store=store)
        else:
            hour = timedelta(hours=1)
            yield Case(reader, tmp_path, lambda name: obstore.sign(store, "GET", name, hour), store=store)
    elif request.param == "s3":
        (tmp_path / "imagery").mkdir()
        with serve(tmp_path) as web:
            keys = {"access_key_id": "AKIATEST", "secret_access_key": "secret", "region": "eu-central-1"}
            reader = CogReader(s3_options={"endpoint": web.url, **keys})
            yield Case(reader, tmp_path / "imagery", lambda name: f"s3://imagery/{name}")
    elif request.param == "http":
        with serve(tmp_path) as web:
            yield Case(reader, tmp_path, lambda name: f"{web.url}/{name}?signature=secret")
    else:
        yield Case(reader, tmp_path, lambda name: str(tmp_path / name))
    reader.close()


def every_block(level: Level, number: int = 0) -> list[Block]:
    across, down = -(-level.width // level.block_width), -(-level.height // level.block_height)
    return [Block(level=number, row=row, column=column) for row in range(down) for column in range(across)]


def whole(reader: CogReader, href: str, level: int = 0, band: int = 0) -> np.ndarray:
    """The image, put together from its blocks."""
    shape = reader.describe(href).levels[level]
    blocks = every_block(shape, level)
    size = (shape.block_height, shape.block_width)
    pixels = np.zeros((blocks[-1].row * size[0] + size[0], blocks[-1].column * size[1] + size[1]), "f8")
    for (named, block, part), asked in zip(reader.read([(href, blocks)], band), blocks, strict=True):
        assert (named, block) == (href, asked)
        assert part.shape == size
        pixels[
            block.row * size[0] : (block.row + 1) * size[0], block.column * size[1] : (block.column + 1) * size[1]
        ] = part
    return pixels[: shape.height, : shape.width]


def test_a_header_says_what_is_needed_to_plan(case: Case) -> None:
    raster = case.reader.describe(case.make("a.tif", formula(150, 100), nodata=0, **DEFLATE))
    assert raster.crs == UTM
    assert raster.transform == TRANSFORM
    assert raster.dtype == np.uint16
    assert (raster.band_count, raster.no_data) == (1, 0.0)
    assert raster.levels == (Level(width=100, height=150, block_width=64, block_height=64),)


def test_overviews_are_levels(case: Case) -> None:
    pixels = formula(600, 520)
    href = case.make("a.tif", pixels, driver="COG", blocksize=128, compress="deflate", overview_resampling="nearest")
    levels = case.reader.describe(href).levels
    assert [level.width for level in levels] == [520, 260, 130, 65]
    np.testing.assert_array_equal(whole(case.reader, href), pixels)
    assert whole(case.reader, href, 2).shape == (150, 130)


def test_blocks_of_several_images_come_in_the_order_asked_and_padded(case: Case) -> None:
    images = {case.make(f"{n}.tif", formula(150, 100, seed=n), **DEFLATE): formula(150, 100, seed=n) for n in range(3)}
    blocks = [Block(level=0, row=row, column=column) for row, column in ((2, 1), (0, 0), (1, 1), (0, 1))]
    requests = [(href, blocks[: 4 - n]) for n, href in enumerate(images)] + [(next(iter(images)), [])]
    answers = list(case.reader.read(requests))
    assert [(href, block) for href, block, _ in answers] == [(href, block) for href, part in requests for block in part]
    for href, block, part in answers:
        place = slice(block.row * 64, block.row * 64 + 64), slice(block.column * 64, block.column * 64 + 64)
        expected = images[href][place]
        assert part.shape == (64, 64)
        np.testing.assert_array_equal(part[: expected.shape[0], : expected.shape[1]], expected)


@pytest.mark.parametrize("rows", [1, 10, 63, 64])
def test_a_block_may_be_read_down_to_a_row(case: Case, rows: int) -> None:
    pixels = formula(128, 64)
    href = case.make("a.tif", pixels, **DEFLATE)
    ((_, _, part),) = case.reader.read([(href, [Block(level=0, row=1, column=0, rows=rows)])])
    assert len(part) >= rows
    np.testing.assert_array_equal(part[:rows], pixels[64 : 64 + rows])


def test_a_block_never_written_is_no_data(case: Case) -> None:
    pixels = np.zeros((128, 128), np.uint16)
    pixels[:64, :64] = 5
    href = case.make("a.tif", pixels, nodata=0, sparse_ok=True, **DEFLATE)
    np.testing.assert_array_equal(whole(case.reader, href), pixels)


def test_bytes_are_counted(case: Case) -> None:
    href = case.make("a.tif", np.random.default_rng(1).integers(0, 9999, (512, 512)).astype("u2"), **TILED)
    case.reader.describe(href)
    with case.reader.counting() as count:
        list(case.reader.read([(href, [Block(level=0, row=7, column=7), Block(level=0, row=0, column=0)])]))
        assert count.total == 2 * 64 * 64 * 2


def test_of_two_that_read_at_once_each_has_its_own_count(case: Case) -> None:
    """Two threads of one process share the reader, and neither counts what the other reads: headers, and blocks."""
    rng = np.random.default_rng(1)
    hrefs = [case.make(f"{n}.tif", rng.integers(0, 9999, (512, 512)).astype("u2"), **TILED) for n in range(2)]
    both = Barrier(2, timeout=30)

    def reads(href: str, columns: int) -> tuple[int, int]:
        with case.reader.counting() as count:
            both.wait()
            case.reader.prepare([href])
            case.reader.describe(href)
            header = count.total
            blocks = [Block(level=0, row=row, column=column) for row in range(8) for column in range(columns)]
            list(case.reader.read([(href, blocks)]))
            both.wait()
        return header, count.total - header

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(reads, hrefs, (8, 3)))
    assert [blocks for _, blocks in found] == [2 * 512 * 512, 2 * 512 * 192]
    assert all(0 < header <= 1 << 17 for header, _ in found)


def test_a_missing_file_is_named_and_not_worth_another_try(case: Case) -> None:
    with pytest.raises(AssetUnreadable, match=r"nowhere\.tif does not exist") as caught:
        case.reader.describe(case.name("nowhere.tif"))
    assert not caught.value.transient
    assert not re.search("secret|[Ss]ignature", str(caught.value))


def test_a_file_that_appears_later_is_read(case: Case) -> None:
    case.reader.prepare([case.name("a.tif")])
    with pytest.raises(AssetUnreadable):
        case.reader.describe(case.name("a.tif"))
    assert case.reader.describe(case.make("a.tif", formula(64, 64))).width == 64


def test_no_name_of_an_image_is_too_long_for_its_mask(tmp_path: Path) -> None:
    """GDAL is not asked for it: it takes longer."""

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("the file is a GeoTIFF")

    path = tmp_path / f"{'a' * 248}.tif"
    write(path, formula(64, 64))
    assert CogReader(other_formats=refuse).describe(str(path)).width == 64


@pytest.mark.parametrize("far_apart", [False, True])
def test_an_image_that_is_replaced_is_noticed_and_read_anew(case: Case, far_apart: bool) -> None:
    """Old places in a new file would be other pixels, without a sign of it."""
    side = 1024 if far_apart else 128
    old = np.random.default_rng(1).integers(0, 9999, (side, side)).astype("u2")
    new = np.random.default_rng(2).integers(0, 9999, (side + 64, side)).astype("u2")
    other = case.make("b.tif", old, **TILED)
    href = case.make("a.tif", old, **TILED)
    last = side // 64 - 1
    ends = [Block(level=0, row=0, column=0), Block(level=0, row=last, column=last)]
    for name in (href, other):
        assert len(list(case.reader.read([(name, ends)]))) == 2
    case.make("a.tif", new, **TILED)
    case.make("b.tif", new, **TILED)
    with pytest.raises(AssetUnreadable, match=r"a\.tif was replaced while it was read") as caught:
        list(case.reader.read([(href, ends)]))
    assert caught.value.transient
    np.testing.assert_array_equal(whole(case.reader, href), new)
    np.testing.assert_array_equal(whole(case.reader, other), new)


def test_a_block_that_the_image_does_not_have_is_of_an_image_that_was_replaced(case: Case) -> None:
    href = case.make("a.tif", formula(64, 64), **TILED)
    for block in (Block(level=0, row=1, column=0), Block(level=0, row=0, column=1), Block(level=1, row=0, column=0)):
        with pytest.raises(AssetUnreadable, match=r"a\.tif was replaced while it was read") as caught:
            list(case.reader.read([(href, [block])]))
        assert caught.value.transient


@pytest.mark.parametrize(("tag", "number"), [("ImageLength", 900), ("TileWidth", 32), ("Predictor", 3)])
def test_a_header_that_lies_is_named_and_not_worth_another_try(case: Case, tag: str, number: int) -> None:
    """More rows than its table has blocks for; smaller blocks than it has; a way of packing for other numbers."""
    href = case.make("a.tif", formula(150, 100), **DEFLATE)
    with TiffFile(case.folder / "a.tif", mode="r+b") as tiff:
        tiff.pages[0].tags[tag].overwrite(number)
    case.put("a.tif", (case.folder / "a.tif").read_bytes())
    with pytest.raises(AssetUnreadable, match=r"a\.tif") as caught:
        read_all(case.reader, href)
    assert not caught.value.transient


@pytest.mark.parametrize("content", [b"II*\0" + b"rubbish" * 30, b"II*\0\x08"])
def test_rubbish_is_named_and_not_worth_another_try(case: Case, content: bytes) -> None:
    case.put("a.tif", content)
    with pytest.raises(AssetUnreadable, match=r"a\.tif") as caught:
        case.reader.describe(case.name("a.tif"))
    assert not caught.value.transient
    assert not re.search("secret|[Ss]ignature", str(caught.value))


@pytest.mark.parametrize("harm", ["truncated", "damaged"])
def test_a_broken_block_is_named_and_not_worth_another_try(case: Case, harm: str) -> None:
    href = case.make("a.tif", np.random.default_rng(1).integers(0, 9999, (512, 512)).astype("u2"), **DEFLATE)
    content = (case.folder / "a.tif").read_bytes()
    case.put("a.tif", content[: len(content) - 9000] + (b"" if harm == "truncated" else b"\xff" * 9000))
    with pytest.raises(AssetUnreadable, match=r"a\.tif: block \(row 7, column 7\).*cannot be decoded") as caught:
        list(case.reader.read([(href, [Block(level=0, row=7, column=7)])]))
    assert not caught.value.transient
    assert not re.search("secret|[Ss]ignature", str(caught.value))


def test_a_band_too_many_is_refused(case: Case) -> None:
    href = case.make("a.tif", formula(64, 64))
    with pytest.raises(AssetUnreadable, match="has 1 band; band 2 is requested"):
        list(case.reader.read([(href, [Block(level=0, row=0, column=0)])], band=1))


@pytest.mark.parametrize("case", ["one thread", "three threads"], indirect=True)
def test_what_only_gdal_knows_is_read_all_the_same(case: Case) -> None:
    """Of files on this machine: how GDAL gets at files behind a server is its own affair."""
    pixels = formula(100, 80, "uint8")
    href = case.make("a.tif", pixels, compress="lerc", **TILED)
    assert case.reader.describe(href).transform == TRANSFORM
    np.testing.assert_array_equal(whole(case.reader, href), pixels)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_permanent(tmp_path: Path, status: int) -> None:
    """In this run of a job; START asks again for what rights were missing for."""
    write(tmp_path / "a.tif", formula(64, 64))
    with serve(tmp_path) as web:
        reader, web.status = CogReader(), status
        with pytest.raises(AssetUnreadable, match=r"/a\.tif") as caught:
            reader.describe(f"{web.url}/a.tif?signature=secret")
        assert not caught.value.transient
        assert caught.value.passing == (status in (401, 403))
        assert not re.search("secret|[Ss]ignature", str(caught.value))
        reader.close()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failing_server_is_asked_again_and_is_worth_another_try(tmp_path: Path, status: int) -> None:
    write(tmp_path / "a.tif", formula(64, 64))
    with serve(tmp_path) as web:
        reader, web.status = CogReader(retry_seconds=0.3), status
        with pytest.raises(AssetUnreadable, match=f"answered {status}") as caught:
            reader.describe(f"{web.url}/a.tif")
        assert caught.value.transient
        assert len(web.asked) > 1
        web.status = 0
        assert reader.describe(f"{web.url}/a.tif").width == 64
        reader.close()


def test_many_threads_share_one_reader(tmp_path: Path) -> None:
    images = {write(tmp_path / f"{n}.tif", formula(200, 200, seed=n), **DEFLATE): n for n in range(4)}
    with ThreadPoolExecutor(4) as pool:
        reader = CogReader(threads=2)
        for href, pixels in zip(images, pool.map(lambda href: whole(reader, href), images), strict=True):
            np.testing.assert_array_equal(pixels, formula(200, 200, seed=images[href]))
        reader.close()


def test_a_server_that_is_gone_may_come_back(tmp_path: Path) -> None:
    with serve(tmp_path) as web:
        pass
    reader = CogReader(retry_seconds=0.2)
    with pytest.raises(AssetUnreadable, match="does not answer") as caught:
        reader.describe(f"{web.url}/a.tif")
    assert caught.value.transient
    reader.close()


def test_headers_and_blocks_from_afar_are_fetched_at_once(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 9999, (512, 512)).astype("u2")
    for number in range(10):
        write(tmp_path / f"{number}.tif", pixels, nodata=0, **TILED)
    with serve(tmp_path) as web:
        web.seconds = 0.1
        reader = CogReader(requests=12)
        hrefs = [f"{web.url}/{number}.tif" for number in range(10)]
        reader.prepare(hrefs)
        blocks = [Block(level=0, row=0, column=0), Block(level=0, row=7, column=7)]
        assert len(list(reader.read([(href, blocks) for href in hrefs]))) == 20
        assert web.busiest > 6, "not one after another"
        assert len(web.asked) == 30, "one request per header and per far-apart block"
        reader.close()


@pytest.mark.parametrize("no_data", [0, None])
def test_neighbouring_blocks_come_in_one_request(tmp_path: Path, no_data: int | None) -> None:
    """An image that does not say what is no data may have a mask beside it, and only then somebody asks."""
    write(tmp_path / "a.tif", formula(256, 256), nodata=no_data, **TILED)
    with serve(tmp_path) as web:
        reader = CogReader()
        level = reader.describe(f"{web.url}/a.tif").levels[0]
        list(reader.read([(f"{web.url}/a.tif", every_block(level))]))
        assert web.asked == ["/a.tif", *(["/a.tif.msk"] if no_data is None else []), "/a.tif"]
        reader.close()
