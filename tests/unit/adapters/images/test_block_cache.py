"""Decoded blocks are kept, up to a number of bytes, and never outlive their file's header or their time."""

from __future__ import annotations

from functools import cache

import numpy as np

from arpent.adapters.images.block_cache import SECONDS, BlockCache
from arpent.domain.imagery.raster import Raster
from arpent.domain.ports.imagery import Block
from tests.support.cogs import MemoryReader

BLOCK = 16 * 16 * 2
"""Bytes of one."""


class Headers(MemoryReader):
    """Reads each header once, as a real reader does."""

    def describe(self, href: str) -> Raster:
        return self.known(href)

    @cache  # noqa: B019 - as long as the test
    def known(self, href: str) -> Raster:
        return super().describe(href)

    __hash__ = object.__hash__


def reader() -> Headers:
    return Headers({name: np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) for name in "ab"})


def block(row: int, column: int = 0, rows: int | None = None) -> Block:
    return Block(level=0, row=row, column=column, rows=rows)


def read(cached: BlockCache, *requests: tuple[str, list[Block]]) -> list[tuple[str, Block, float]]:
    return [(href, one, float(pixels[0, 0])) for href, one, pixels in cached.read(requests)]


def test_what_was_decoded_is_not_decoded_again_and_the_order_stays():
    inner = reader()
    cached = BlockCache(inner, 100 * BLOCK)
    first = read(cached, ("a", [block(0), block(2)]))
    assert read(cached, ("a", [block(3), block(0), block(1), block(2)]), ("b", [block(0)])) == [
        ("a", block(3), 3072.0), first[0], ("a", block(1), 1024.0), first[1], ("b", block(0), 0.0),
    ]  # fmt: skip
    assert set(inner.blocks.values()) == {1}


def test_rows_that_were_not_decoded_are():
    inner = reader()
    cached = BlockCache(inner, 100 * BLOCK)
    for rows in (5, 3, 5, 9, 7, None, 16):
        [(_, _, pixels)] = cached.read([("a", [block(1, rows=rows)])])
        assert len(pixels) >= (rows or 16)
    assert sum(inner.blocks.values()) == 3, "for 5, 9 and all rows"


def test_the_oldest_go_when_there_is_no_room():
    inner = reader()
    cached = BlockCache(inner, 2 * BLOCK)
    read(cached, ("a", [block(0), block(1)]))
    read(cached, ("a", [block(0)]))
    read(cached, ("a", [block(2)]))
    read(cached, ("a", [block(0)]))
    assert inner.blocks["a", 0, block(0)] == 1
    read(cached, ("a", [block(1)]))
    assert inner.blocks["a", 0, block(1)] == 2


def test_a_block_that_is_larger_than_all_room_passes_through():
    cached = BlockCache(reader(), BLOCK - 1)
    assert read(cached, ("a", [block(0)])) == read(cached, ("a", [block(0)]))


def test_a_new_header_or_much_time_means_a_new_block():
    inner, now = reader(), [0.0]
    cached = BlockCache(inner, 100 * BLOCK, lambda: now[0])
    read(cached, ("a", [block(0)]))
    now[0] = SECONDS + 1
    read(cached, ("a", [block(0)]))
    assert inner.blocks["a", 0, block(0)] == 2
    inner.known.cache_clear()
    inner.images = {"a": inner.images["a"] + 1}
    assert read(cached, ("a", [block(0)]))[0][2] == 1.0


def test_bands_are_told_apart():
    inner = reader()
    cached = BlockCache(inner, 100 * BLOCK)
    list(cached.read([("a", [block(0)])], 0))
    list(cached.read([("a", [block(0)])], 1))
    assert sum(inner.blocks.values()) == 2
