"""Foreign memory laid over a buffer, or copied where that cannot be."""

from __future__ import annotations

import mmap
import sys
import tempfile

import pytest

from arpent.adapters.scripts.v8.mapping import SharedArena

SIZE = 4 * mmap.PAGESIZE


@pytest.mark.parametrize("platform", ["linux", "elsewhere"])
def test_both_sides_see_the_same(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if platform == "linux" and sys.platform != "linux":
        pytest.skip("only Linux lays memory over memory here")
    monkeypatch.setattr(sys, "platform", platform)
    room = mmap.mmap(-1, SIZE + 2 * mmap.PAGESIZE)
    with tempfile.TemporaryFile() as file, memoryview(room)[24 : 24 + SIZE + mmap.PAGESIZE] as buffer:
        file.truncate(SIZE)
        theirs = mmap.mmap(file.fileno(), SIZE)
        arena = SharedArena(buffer, file.fileno(), SIZE)
        assert arena.start == mmap.PAGESIZE - 24
        theirs[100:103] = b"abc"
        arena.take([(100, 103)])
        assert bytes(buffer[arena.start + 100 : arena.start + 103]) == b"abc"
        buffer[arena.start + SIZE - 2 : arena.start + SIZE] = b"yz"
        arena.give([(SIZE - 2, SIZE)])
        assert theirs[SIZE - 2 :] == b"yz"
        arena.leave()
        buffer[arena.start + 100] = 0
        assert theirs[100:103] == b"abc"
