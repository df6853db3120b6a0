"""Where tiles lie: found in few reads wherever the file is, and never at a wrong place."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

import pytest

from arpent.adapters.images.jp2.tile_parts import TileParts

FIRST = 100


class File:
    """A codestream of made-up parts, and the pieces that were read of it."""

    def __init__(self, parts: Sequence[tuple[int, int, int, int]], tail: bytes = b"\xff\xd9") -> None:
        """`parts`: tile, number, count, length."""
        self.places = {}
        content = bytearray(FIRST)
        for tile, number, count, length in parts:
            self.places.setdefault(tile, []).append((len(content), length))
            content += struct.pack(">4sHIBB", b"\xff\x90\x00\x0a", tile, length, number, count) + bytes(length - 12)
        self.content = bytes(content) + tail
        self.read: list[tuple[int, int]] = []
        self.rounds = 0

    def __call__(self, ranges: Sequence[tuple[int, int]]) -> list[memoryview]:
        self.read += ranges
        self.rounds += 1
        return [memoryview(self.content[start : start + length]) for start, length in ranges]

    def parts(self, far: bool = True) -> TileParts:
        return TileParts(self, (FIRST, len(self.content)), len(self.places), far=far)

    def found(self, parts: TileParts, *tiles: int) -> bool:
        told = {tile: [(part.position, part.length) for part in found] for tile, found in parts.find(tiles).items()}
        return told == {tile: self.places[tile] for tile in tiles}


def uneven(count: int, seed: int = 1) -> list[tuple[int, int, int, int]]:
    """Tiles of very different lengths, as where half of an image is empty."""
    chance = random.Random(seed)
    return [
        (tile, 0, 1, chance.randint(20_000, 40_000) if (tile // 7) % 3 else chance.randint(60, 300))
        for tile in range(count)
    ]


@pytest.mark.parametrize("far", [True, False])
@pytest.mark.parametrize("order", ["single", "several parts", "parts not told", "backwards", "by part"])
def test_every_tile_is_found(far: bool, order: str) -> None:
    single = uneven(60)
    several = [(tile, number, 3, length) for tile, _, _, length in single for number in range(3)]
    file = File(
        {
            "single": single,
            "several parts": several,
            "parts not told": [(tile, number, 0, length) for tile, number, _, length in several],
            "backwards": single[::-1],
            "by part": sorted(several, key=lambda part: part[1]),
        }[order]
    )
    parts = file.parts(far)
    for tile in random.Random(2).sample(range(60), 60):
        assert file.found(parts, tile)


def test_a_far_tile_is_found_in_few_reads() -> None:
    for seed in range(20):
        file = File(uneven(400, seed))
        parts = file.parts()
        assert file.found(parts, 250)
        assert len(file.read) <= 16, seed
        before = len(file.read)
        assert file.found(parts, 250, 251)
        assert len(file.read) <= before + 1


@pytest.mark.parametrize(
    ("least", "most", "across", "rounds"),
    [(450_000, 550_000, 8, 3), pytest.param(200_000, 1_300_000, 11, 5, marks=pytest.mark.slow)],
)
def test_a_crop_is_found_in_few_rounds(least: int, most: int, across: int, rounds: int) -> None:
    """Tiles of about one length, and of very different ones. Each round takes the time of one request."""
    for seed in range(60):
        chance = random.Random(seed)
        file = File([(tile, 0, 1, chance.randint(least, most)) for tile in range(across * across)])
        parts = file.parts()
        parts.begin_with(file.content[FIRST : FIRST + 12])
        first = chance.randrange(across - 1) * across + chance.randrange(across - 1)
        assert file.found(parts, first, first + 1, first + across, first + across + 1), seed
        assert file.rounds <= rounds, seed
        assert sum(length for _, length in file.read) < 10 << 20, seed


def test_a_table_takes_no_reads_and_one_that_is_wrong_is_forgotten() -> None:
    file = File(uneven(10))
    listed = [(tile, *place) for tile, places in file.places.items() for place in places]
    parts = TileParts(file, (FIRST, len(file.content)), 10, listed=listed, far=True)
    assert file.found(parts, *range(10))
    assert file.read == []
    assert parts.distrust()
    assert not parts.distrust()
    assert file.found(parts, *range(10))
    assert file.read


@pytest.mark.parametrize("far", [True, False])
def test_a_tile_that_is_not_there(far: bool) -> None:
    file = File([part for part in uneven(20) if part[0] != 7])
    parts = TileParts(file, (FIRST, len(file.content)), 20, far=far)
    assert parts.find([7, 8]).keys() == {8}
    assert file.found(parts, 6, 8, 19)


@pytest.mark.parametrize("far", [True, False])
def test_bytes_that_look_like_parts_lead_nowhere(far: bool) -> None:
    """A comment may hold anything; what a tile is cut out by is seen when it is read (`Jp2Image`)."""
    file = File(uneven(40))
    fake = struct.pack(">4sHIBB", b"\xff\x90\x00\x0a", 3, 50, 0, 1)
    at = file.places[30][0][0] + 40
    file.content = file.content[:at] + fake + file.content[at + len(fake) :]
    assert file.found(file.parts(far), 30, 31, 25)


def test_a_far_walk_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arpent.adapters.images.jp2.tile_parts.MOST_STEPS", 10)
    file = File([(tile, 0, 0, 70_000) for tile in range(20)])
    with pytest.raises(ValueError, match="finding its tiles takes more"):
        file.parts().find([15])
