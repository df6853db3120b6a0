"""Tile parts: finds where the tiles of a JPEG 2000 codestream lie.

Each part of a tile gives its own length, but only a table (TLM), which few files have, says where the others are. In a
local file the chain of parts is walked once. In a remote file each step would be a request, so tiles are searched for:
compressed pixels never contain the marker that begins a part, so that parts can be recognised in any piece of the file,
and tiles are usually stored in the order of their numbers.
"""

from __future__ import annotations

import struct
from bisect import bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from threading import Lock

Read = Callable[[Sequence[tuple[int, int]]], Sequence[memoryview]]
"""(offset, length) of pieces of the file → the pieces."""

HEAD = 12
"""Bytes of the segment SOT, which begins a part: number of the tile, length, number of the part, number of parts."""
MOST_TILE_PARTS = 1 << 18
"""Maximum number of parts in one file."""
MOST_STEPS = 4096
"""Maximum number of requests that one walk over a remote file may take."""
_THROUGH = 1 << 16
"""After a part shorter than this, a walk reads this many bytes at once, which may show several short parts."""
_MARK = b"\xff\x90\x00\x0a"
_ROUNDS = 20
"""Maximum rounds of concurrent reads that search for tiles, before the whole chain is walked instead."""
_NEAR = 4
"""A tile at most this many tiles after a known one is reached by following the chain of parts."""
_GUESS = 1 << 17
"""Meanwhile, the tiles after the next one are searched for where they would begin if all had equal lengths. This is the
number of bytes to read there, multiplied by the number of tiles in between."""
_FARTHEST = 8
"""Maximum number of consecutive reads, one after the other in the file, that show no part."""
_SMALLEST_LOOK, _LARGEST_LOOK = 1 << 16, 1 << 20
"""Minimum and maximum bytes of one read in a search ("look")."""


class Unordered(Exception):
    """The tiles are not stored in the order of their numbers, or not completely: the chain has to be walked."""


@dataclass(frozen=True, slots=True, order=True)
class TilePart:
    """One part of a tile, as its head describes it."""

    tile: int
    """Number of the tile."""
    number: int
    """Number of the part within the tile."""
    position: int
    """Offset in the file at which the part begins."""
    length: int
    """Length in bytes, including its head."""
    count: int
    """Number of parts of the tile; 0: not specified."""

    @property
    def end(self) -> int:
        """Offset in the file at which the part ends."""
        return self.position + self.length


class _Look:
    """The search for one tile: where to read next. It starts again when a nearer neighbour of the tile is known."""

    def __init__(self) -> None:
        self._between: tuple[TilePart, TilePart] | None = None
        self._begin = self._limit = self._size = 0
        self.place = 0
        """Offset in the file to read at."""

    def aim(self, tile: int, before: TilePart, after: TilePart) -> int:
        """Move `place` to the next read between two known parts, and return how many bytes to read. The first read is
        where the tile would begin if all tiles had the same length; the next ones lie after it, then before it. Raises
        Unordered if no part can lie there."""
        if before.end + HEAD > after.position:
            raise Unordered
        mean = (after.position - before.end) / max(1, after.tile - before.tile - 1)
        size = int(min(max(mean, _SMALLEST_LOOK), _LARGEST_LOOK))
        if self._between != (before, after):
            place = before.end + int((tile - before.tile - 1) * mean - size / 2)
            self._between, self._limit = (before, after), after.position
            self._begin = self.place = min(max(place, before.end), max(after.position - size, before.end))
            rest = after.position - self.place  # all of it, if otherwise only a little would be left for a second read
            self._size = rest if rest <= 2 * size else size
            return self._size
        self.place += self._size
        self._size = size
        if self.place >= self._limit:
            if self._begin <= before.end:
                raise Unordered
            self._limit = self._begin
            near = after.tile - tile <= _NEAR
            back = self._begin - size if near else (before.end + self._begin - size) // 2
            self._begin = self.place = max(before.end, back)
        elif self.place - self._begin > _FARTHEST * size:
            raise Unordered
        return size


class TileParts:
    """Finds tile parts in one file, and remembers them. Thread-safe."""

    def __init__(
        self, read: Read, span: tuple[int, int], tiles: int,
        *, listed: Sequence[tuple[int, int, int]] | None = None, far: bool,
    ) -> None:  # fmt: skip
        """`span`: where the first part begins, and where the codestream ends; `tiles`: number of tiles; `listed`:
        (tile, position, length) of parts in the file's own table; `far`: whether each read takes a request."""
        self._read = read
        self._first, self._end = span
        self._tiles = tiles
        self._far = far
        self._lock = Lock()
        self._whole: dict[int, tuple[TilePart, ...]] = {}
        self._seen: list[TilePart] = []
        self._ends = {span[0]}
        self._walked = False
        self._beginning = b""
        for tile, position, length in listed or ():
            known = self._whole.get(tile, ())
            self._whole[tile] = (*known, TilePart(tile, len(known), position, length, 0))
        self._listed = bool(listed)

    def find(self, tiles: Iterable[int]) -> dict[int, tuple[TilePart, ...]]:
        """The parts of these tiles, in order; tiles that the file does not hold are left out. Raises ValueError if
        finding them takes too many requests or parts, and what `read` raises."""
        wanted = set(tiles)
        with self._lock:
            if missing := wanted - self._whole.keys():
                self._find(missing)
            return {tile: self._whole[tile] for tile in sorted(wanted) if tile in self._whole}

    def begin_with(self, piece: bytes) -> None:
        """Provide bytes from the first part on that have already been read."""
        self._beginning = piece

    def distrust(self) -> bool:
        """Forget the file's own table, because it has proved to be wrong. Returns False if there is none."""
        with self._lock:
            if self._listed:
                self._whole.clear()
            was, self._listed = self._listed, False
            return was

    def _find(self, tiles: Set[int]) -> None:
        if self._listed:  # its table does not name them
            self._listed = False
            self._whole.clear()
        if self._walked:
            return
        try:
            if self._far:
                self._search(tiles)
                return
        except Unordered:
            pass
        self._walk()

    # ---- finding some tiles: read near the places where they should be, for all of them at once

    def _search(self, tiles: Set[int]) -> None:
        """Find the parts of these tiles. Raises Unordered if tiles are not stored in the order of their numbers."""
        if not self._seen:
            piece = memoryview(self._beginning)
            self._step(
                self._first, piece if len(piece) >= HEAD else self._read([(self._first, self._piece(self._first))])[0]
            )
        looks = {tile: _Look() for tile in tiles}
        for _ in range(_ROUNDS):
            places = sorted({place for tile in looks for place in self._wishes(tile, looks[tile])})
            if not places:
                return
            for place, piece in zip(places, self._read(places), strict=True):
                if place[0] in self._ends:
                    self._step(place[0], piece)
                else:
                    self._note_all(bytes(piece), place[0])
        raise Unordered

    def _wishes(self, tile: int, look: _Look) -> Iterator[tuple[int, int]]:
        """(offset, length) of what to read for a tile in the next round; nothing if all of its parts are known."""
        before, after = self._neighbours(tile)
        if before.tile == tile:
            if (place := self._collect(before)) is not None:
                yield place
        elif tile - before.tile <= _NEAR:
            yield before.end, self._piece(before.end)
            if before.count == 1:
                yield from self._guesses(tile, before, after)
        else:
            size = look.aim(tile, before, after)
            yield look.place, min(size + HEAD, self._end - look.place)

    def _guesses(self, tile: int, before: TilePart, after: TilePart) -> Iterator[tuple[int, int]]:
        """(offset, length) of pieces in which the tiles after the next one, up to this one, should begin if all are as
        long as the last one known. The further away, the longer the piece."""
        for number in range(1, tile - before.tile):
            size = min(number * _GUESS, _LARGEST_LOOK)
            start = max(before.end + number * before.length - size // 2, before.end + HEAD)
            end = min(start + size, after.position, self._end)
            if end - start > HEAD:
                yield start, end - start

    def _neighbours(self, tile: int) -> tuple[TilePart, TilePart]:
        """The last known part up to (and including) the tile's first one, and the next known part, or a made-up one at
        the end of the codestream. Raises Unordered if no part so early is known."""
        place = bisect_right(self._seen, (tile, 0), key=lambda part: (part.tile, part.number))
        behind = self._seen[place] if place < len(self._seen) else TilePart(self._tiles, 0, self._end, 0, 0)
        if place == 0:
            raise Unordered
        return self._seen[place - 1], behind

    def _collect(self, part: TilePart) -> tuple[int, int] | None:
        """Record the tile that begins with this part if all of its parts are known, and return None; otherwise return
        (offset, length) of the next piece to read."""
        parts = [part]
        while part.count and len(parts) < part.count:
            place = bisect_right(self._seen, parts[-1])
            following = self._seen[place] if place < len(self._seen) else None
            if following is None or following.position != parts[-1].end:
                return parts[-1].end, self._piece(parts[-1].end)
            parts.append(following)
        whole = [(part.tile, number, part.count) for number in range(part.count)]
        if not part.count or [(one.tile, one.number, one.count) for one in parts] != whole:
            raise Unordered
        self._whole[part.tile] = tuple(parts)
        return None

    def _piece(self, position: int) -> int:
        """Number of bytes to read where a part begins. Raises Unordered if none can begin there."""
        if position + HEAD > self._end:
            raise Unordered
        return min(_SMALLEST_LOOK, self._end - position)

    def _step(self, position: int, piece: memoryview) -> None:
        """Note the part that begins at `position`, where `piece` was read, and those that follow it in the piece."""
        at = 0
        while at + HEAD <= len(piece):
            part = self._parsed(bytes(piece[at : at + HEAD]), position + at)
            self._note(part)
            at = part.end - position
            if part.tile + 1 >= self._tiles:
                return

    def _note_all(self, piece: bytes, place: int) -> None:
        """Note every part that begins in a piece of the file."""
        at = piece.find(_MARK)
        while at >= 0 and at + HEAD <= len(piece):
            self._note(self._parsed(piece[at : at + HEAD], place + at))
            at = piece.find(_MARK, at + 1)

    def _note(self, part: TilePart) -> None:
        place = bisect_right(self._seen, part)
        if place and self._seen[place - 1] == part:
            return
        around = self._seen[max(0, place - 1) : place + 1]
        if any((one < part) != (one.position < part.position) for one in around):
            raise Unordered
        insort(self._seen, part)
        self._ends.add(part.end)

    def _parsed(self, head: bytes, position: int) -> TilePart:
        """The part that begins with these bytes. Raises Unordered if they do not begin a plausible part."""
        part = parsed_part(head, position, self._end)
        if part is None or part.tile >= self._tiles or part.end > self._end:
            raise Unordered
        return part

    # ---- finding all tiles: follow the chain of parts

    def _walk(self) -> None:
        """Follow the chain and record every part up to the first that is invalid or reaches beyond the file. Raises
        ValueError if this takes too many requests or parts."""
        found: dict[int, list[TilePart]] = {}
        position, piece, start, steps, parts = self._first, b"", self._first, 0, 0
        length = HEAD  # of the next piece to read; see _THROUGH
        while position + HEAD <= self._end:
            if not start <= position <= start + len(piece) - HEAD:
                steps += 1
                if steps > MOST_STEPS and self._far:
                    raise ValueError(f"finding its tiles takes more than {MOST_STEPS:,} requests")
                start, piece = position, bytes(self._read([(position, min(length, self._end - position))])[0])
                if len(piece) < HEAD:
                    break
            part = parsed_part(piece[position - start : position - start + HEAD], position, self._end)
            if part is None:
                break
            parts += 1
            if parts > MOST_TILE_PARTS:
                raise ValueError(f"it has more than {MOST_TILE_PARTS:,} tile parts")
            if part.tile < self._tiles:
                found.setdefault(part.tile, []).append(part)
            position, length = part.end, _THROUGH if part.length < _THROUGH else HEAD
        self._whole = {tile: tuple(each) for tile, each in found.items()}
        self._walked = True


def parsed_part(head: bytes, position: int, end: int) -> TilePart | None:
    """The part that begins with these 12 bytes; None if they do not begin a part. It may reach beyond the file."""
    if len(head) < HEAD or not head.startswith(_MARK):
        return None
    tile, length, number, count = struct.unpack_from(">HIBB", head, 4)
    if length == 0:  # the last part, which reaches to the end
        length = end - position
    return TilePart(tile, number, position, length, count) if length > HEAD else None
