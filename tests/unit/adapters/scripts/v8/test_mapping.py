"""Foreign memory laid over a buffer, or copied where that cannot be."""

from __future__ import annotations

import mmap
import subprocess
import sys
import tempfile

import pytest

from arpent.adapters.scripts.v8 import seccomp as v8_seccomp
from arpent.adapters.scripts.v8.mapping import MappedBuffer

SIZE = 4 * mmap.PAGESIZE


@pytest.mark.parametrize("platform", ["linux", "elsewhere"])
def test_both_sides_see_the_same(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if platform == "linux" and sys.platform != "linux":
        pytest.skip("needs Linux, where memory is laid over memory")
    monkeypatch.setattr(sys, "platform", platform)
    room = mmap.mmap(-1, SIZE + 2 * mmap.PAGESIZE)
    with tempfile.TemporaryFile() as file, memoryview(room)[24 : 24 + SIZE + mmap.PAGESIZE] as buffer:
        file.truncate(SIZE)
        theirs = mmap.mmap(file.fileno(), SIZE)
        arena = MappedBuffer(buffer, file.fileno(), SIZE)
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


CONFINED = f"""
import mmap, os, sys, tempfile
from arpent.adapters.scripts.v8.mapping import MappedBuffer
from arpent.adapters.scripts.v8.seccomp import confine
room = memoryview(mmap.mmap(-1, {SIZE} + 2 * mmap.PAGESIZE))
file = tempfile.TemporaryFile()
file.truncate({SIZE})
theirs = mmap.mmap(file.fileno(), {SIZE})
assert confine() is None
sys.platform = sys.argv[1]
arena = MappedBuffer(room, file.fileno(), {SIZE})
theirs[100:103] = b"abc"
arena.take([(100, 103)])
print(bytes(room[arena.start + 100 : arena.start + 103]), arena._copies is None, flush=True)
os._exit(0)
"""


@pytest.mark.skipif(v8_seccomp.obstacle() is not None, reason="needs a system-call filter, which this machine has not")
@pytest.mark.parametrize(("platform", "laid"), [("linux", True), ("elsewhere", False)])
def test_behind_the_system_call_filter(platform: str, laid: bool) -> None:
    """Where memory cannot be laid over memory, copying must be possible."""
    command = [sys.executable, "-c", CONFINED, platform]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == f"b'abc' {laid}\n", done.stderr
