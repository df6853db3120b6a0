"""Tile parts: where the tiles of a JPEG 2000 codestream lie.

Each part of a tile says how long it is, and nothing says where the others are unless the file has a table (TLM). On
this machine the chain of parts is walked once. Elsewhere each step would be a request, so a tile is searched for:
packed pixels never look like the marker that begins a part, so that parts can be seen in any piece of the file, and
tiles usually follow each other in their order.
"""

from __future__ import annotations

import struct
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Lock

Read = Callable[[Sequence[tuple[int, int]]], Sequence[memoryview]]
"""(offset, length) of pieces of the file → the pieces."""

HEAD = 12
"""Bytes that say which part of which tile begins, and how long it is (SOT)."""
MOST_TILE_PARTS = 1 << 18
"""Parts of one file."""
MOST_STEPS = 4096
"""Requests that one walk over a far file may take …"""
_THROUGH = 1 << 16
"""… in which parts that are shorter are read in passing."""
_MARK = b"\xff\x90\x00\x0a"
_GUESSES = 12
"""Looks for one tile before the whole chain is walked."""
_NEAR = 4
"""Tiles that are stepped over, one by one."""
_FARTHEST = 8
"""Looks in a row that show no part."""
_SMALLEST_LOOK, _LARGEST_LOOK = 1 << 16, 1 << 20
"""Bytes of one look."""


class Unordered(Exception):
    """The tiles do not follow each other, or are not whole: the chain has to be walked."""


@dataclass(frozen=True, slots=True, order=True)
class Part:
    """One part of a tile."""

    tile: int
    """Number of the tile."""
    number: int
    """Number of the part within the tile."""
    position: int
    """Where it begins in the file."""
    length: int
    """Bytes, its head included."""
    count: int
    """Parts of the tile; 0: not told."""

    @property
    def end(self) -> int:
        """Where it ends in the file."""
        return self.position + self.length


class TileParts:
    """The parts that are known so far. Thread-safe."""

    def __init__(
        self, read: Read, span: tuple[int, int], tiles: int,
        *, listed: Sequence[tuple[int, int, int]] | None = None, far: bool,
    ) -> None:  # fmt: skip
        """`span`: where the first part begins, and where the codestream ends; `listed`: the parts by the file's own
        table; `far`: whether each read takes a request."""
        self._read = read
        self._first, self._end = span
        self._tiles = tiles
        self._far = far
        self._lock = Lock()
        self._whole: dict[int, tuple[Part, ...]] = {}
        self._seen: list[Part] = []
        self._walked = False
        for tile, position, length in listed or ():
            known = self._whole.get(tile, ())
            self._whole[tile] = (*known, Part(tile, len(known), position, length, 0))
        self._listed = bool(listed)

    def find(self, tiles: Iterable[int]) -> dict[int, tuple[Part, ...]]:
        """The parts of these tiles, in order. Raises ValueError, in words, if one is not there; what `read` raises."""
        with self._lock:
            found = {}
            for tile in sorted(set(tiles)):
                if tile not in self._whole:
                    self._find(tile)
                if tile not in self._whole:
                    raise ValueError("the file does not hold it")
                found[tile] = self._whole[tile]
            return found

    def distrust(self) -> bool:
        """Forget the file's own table, because it was seen to be wrong. False: there is none."""
        with self._lock:
            if self._listed:
                self._whole.clear()
            was, self._listed = self._listed, False
            return was

    def _find(self, tile: int) -> None:
        if self._listed:  # its table does not name the tile
            self._listed = False
            self._whole.clear()
        if self._walked:
            return
        try:
            if self._far:
                self._search(tile)
                return
        except Unordered:
            pass
        self._walk()

    # ---- one tile, by looking near the place where it should be

    def _search(self, tile: int) -> None:
        """Raises Unordered."""
        if not self._seen:
            self._step(self._first)
        for _ in range(_GUESSES):
            before, after = self._neighbours(tile)
            if before.tile == tile:
                return self._collect(before)
            if tile - before.tile <= _NEAR:
                while before.tile < tile:
                    before = self._next(before)
                if before.tile > tile:
                    raise Unordered
                return self._collect(before)
            self._look(tile, before, after)
        raise Unordered

    def _neighbours(self, tile: int) -> tuple[Part, Part]:
        """The last part seen that lies before the tile's second one, and the first behind; made up if there is none."""
        place = bisect_right(self._seen, (tile, 0), key=lambda part: (part.tile, part.number))
        behind = self._seen[place] if place < len(self._seen) else Part(self._tiles, 0, self._end, 0, 0)
        if place == 0:
            raise Unordered
        return self._seen[place - 1], behind

    def _look(self, tile: int, before: Part, after: Part) -> None:
        """Note the parts in a piece of the file about where the tile should begin, as if all were of one length."""
        between = max(1, after.tile - before.tile - 1)
        mean = (after.position - before.end) / between
        size = int(min(max(mean, _SMALLEST_LOOK), _LARGEST_LOOK))
        place = before.end + int((tile - before.tile - 1) * mean - size / 2)
        place = min(max(place, before.end), max(after.position - size, before.end))
        limit = after.position  # no part begins from here to the next one that is known
        for _ in range(_GUESSES):
            begin = place
            while place < limit:
                (piece,) = self._read([(place, min(size + HEAD, self._end - place))])
                if self._note_all(bytes(piece), place, before, after):
                    return
                place += size
                if place - begin > _FARTHEST * size:
                    raise Unordered
            limit, place = begin, max(before.end, (before.end + begin - size) // 2)
        raise Unordered

    def _note_all(self, piece: bytes, place: int, before: Part, after: Part) -> bool:
        at, any_seen = piece.find(_MARK), False
        while at >= 0 and at + HEAD <= len(piece):
            if before.end <= place + at < after.position:
                part = self._parsed(piece[at : at + HEAD], place + at)
                if (part.tile, part.number) <= (before.tile, before.number) or part.tile > after.tile:
                    raise Unordered
                self._note(part)
                any_seen = True
            at = piece.find(_MARK, at + 1)
        return any_seen

    def _collect(self, part: Part) -> None:
        """All parts of the tile whose first one this is."""
        parts = [part]
        while part.count and len(parts) < part.count:
            parts.append(self._next(parts[-1]))
        whole = [(part.tile, number, part.count) for number in range(part.count)]
        if not part.count or [(one.tile, one.number, one.count) for one in parts] != whole:
            raise Unordered
        self._whole[part.tile] = tuple(parts)

    def _next(self, part: Part) -> Part:
        if part.end + HEAD > self._end:
            raise Unordered
        place = bisect_right(self._seen, part)
        if place < len(self._seen) and self._seen[place].position == part.end:
            return self._seen[place]
        return self._step(part.end)

    def _step(self, position: int) -> Part:
        """The part that begins there; noted, with those that follow it within a small piece of the file."""
        (piece,) = self._read([(position, min(_SMALLEST_LOOK, self._end - position))])
        first = part = self._parsed(bytes(piece[:HEAD]), position)
        self._note(part)
        while (at := part.end - position) + HEAD <= len(piece) and part.tile + 1 < self._tiles:
            part = self._parsed(bytes(piece[at : at + HEAD]), part.end)
            self._note(part)
        return first

    def _note(self, part: Part) -> None:
        place = bisect_right(self._seen, part)
        if place and self._seen[place - 1] == part:
            return
        around = self._seen[max(0, place - 1) : place + 1]
        if any((one < part) != (one.position < part.position) for one in around):
            raise Unordered
        insort(self._seen, part)

    def _parsed(self, head: bytes, position: int) -> Part:
        """Raises Unordered where there is no sensible part."""
        part = parsed_part(head, position, self._end)
        if part is None or part.tile >= self._tiles or part.end > self._end:
            raise Unordered
        return part

    # ---- all tiles, by the chain

    def _walk(self) -> None:
        """Note every part up to the first that is none, or that reaches beyond the file. Raises ValueError where there
        are too many."""
        found: dict[int, list[Part]] = {}
        position, piece, start, steps, parts = self._first, b"", self._first, 0, 0
        while position + HEAD <= self._end:
            if not start <= position <= start + len(piece) - HEAD:
                steps += 1
                if steps > MOST_STEPS and self._far:
                    raise ValueError(f"its tiles are found in more than {MOST_STEPS:,} requests only")
                length = min(_THROUGH if parts else HEAD, self._end - position)
                start, piece = position, bytes(self._read([(position, length)])[0])
                if len(piece) < HEAD:
                    break
            part = parsed_part(piece[position - start : position - start + HEAD], position, self._end)
            if part is None:
                break
            parts += 1
            if parts > MOST_TILE_PARTS:
                raise ValueError(f"it has more than {MOST_TILE_PARTS:,} parts of tiles")
            if part.tile < self._tiles:
                found.setdefault(part.tile, []).append(part)
            position = part.end
        self._whole = {tile: tuple(each) for tile, each in found.items()}
        self._walked = True


def parsed_part(head: bytes, position: int, end: int) -> Part | None:
    """The part whose first 12 bytes these are; None if they begin none. It may reach beyond the file."""
    if len(head) < HEAD or not head.startswith(_MARK):
        return None
    tile, length, number, count = struct.unpack_from(">HIBB", head, 4)
    if length == 0:  # the last one reaches to the end
        length = end - position
    return Part(tile, number, position, length, count) if length > HEAD else None
