"""Render: a partition's statistics → the bytes of each `{id}.json`, and of the synchronous answer (sentinelhub.md 3.1,
3.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from arpent.domain.interval import iso_seconds
from arpent.domain.result import BandStatistics, Failure, HistogramCounts, IntervalResult, PartitionResult
from arpent.wire.result.band import band_columns, key
from arpent.wire.result.text import TextColumn, TextColumns, join, numbers

Number = TypeVar("Number", bound=np.generic)

CHUNK = 1024
"""Maximum number of features rendered at once: enough for column operations to pay off, few enough to save memory."""
NUMBERS = 8_000_000
"""Approximate maximum of numbers rendered at once: as text, each takes about 20 bytes, and is held twice."""


def render_results(result: PartitionResult, within: range | None = None) -> Iterator[tuple[int, bytes]]:
    """(row, content of its file) for every feature, or for those of the rows `within`.

    `status` is OK if at least one interval succeeded: the official client silently drops files with status PARTIAL, and
    detects failed intervals by their `error` (sentinelhub.md 3.1). If all intervals failed, it is FAILED.
    """
    features = result.features
    wanted = range(len(features)) if within is None else within
    step = _at_once(result)
    for begin in range(wanted.start, wanted.stop, step):
        rows = range(begin, min(begin + step, wanted.stop))
        opening: TextColumns = [
            b'{"id":', numbers(np.asarray(features.ids[rows.start : rows.stop], np.int64)),
            b',"identifier":', [orjson.dumps(features.identifiers[row]) for row in rows],
        ]  # fmt: skip
        failed = [row for row in rows if row in result.failures] if result.failures else []
        if not failed and (response := _alike(result, rows)) is not None:
            texts = join(chain(opening, [b',"response":'], response, [b"}"]), len(rows))
        else:
            answers = [b',"response":%b' % body for body in _bodies(result, rows, partial=b"OK")]
            for row in failed:
                answers[row - rows.start] = b',"error":%b' % _error(result.failures[row])
            texts = join([*opening, answers, b"}"], len(rows))
        yield from zip(rows, texts, strict=True)


def _at_once(result: PartitionResult) -> int:
    """Number of features to render at once."""
    bands = (band for one in result.intervals for bands in one.outputs.values() for band in bands.values())
    numbers_of_all = sum(band.count for band in bands)
    return max(1, min(CHUNK, NUMBERS * len(result.features) // max(1, numbers_of_all)))


def render_response(result: PartitionResult, row: int) -> bytes:
    """The synchronous answer for the feature at `row`; here, status PARTIAL means that some intervals failed."""
    failure = result.failures.get(row)
    if failure is not None:
        return b'{"error":%b,"status":"FAILED"}' % _error(failure)
    return _bodies(result, range(row, row + 1), partial=b"PARTIAL")[0]


def _alike(result: PartitionResult, rows: range) -> Iterator[TextColumn] | None:
    """The `response` objects of these features as columns, if each interval has imagery for all of them or none, and
    failed for none. None: use `_bodies`, which is slower because it joins texts three more times."""
    reaching = []
    for interval in result.intervals:
        present = interval.present[rows.start : rows.stop]
        if not present.any():
            continue
        if not present.all() or (interval.failures and not interval.failures.keys().isdisjoint(rows)):
            return None
        reaching.append(interval)
    return _response(result, reaching, rows)


def _response(result: PartitionResult, reaching: Sequence[IntervalResult], rows: range) -> Iterator[TextColumn]:
    """The `response` objects of features that have imagery in all of these intervals, as columns."""
    taken = np.arange(rows.start, rows.stop)
    yield b'{"data":['
    for number, interval in enumerate(reaching):
        yield b"," if number else b""
        yield from _entry(interval, taken)
        yield b"}}"
    yield from (b'],"status":"OK"', *_counts(result, rows), b"}")


def _bodies(result: PartitionResult, rows: range, *, partial: bytes) -> list[bytes]:
    """The `response` object of each of these features; `partial`: its status if some but not all intervals failed."""
    entries: list[list[bytes]] = [[] for _ in rows]
    broken = [0] * len(rows)
    for interval in result.intervals:
        for place, text in _entries(interval, rows):
            entries[place].append(text)
        for row in interval.failures:
            if row in rows and interval.present[row]:
                broken[row - rows.start] += 1
    statuses = [
        b"OK" if not failed else b"FAILED" if failed == len(texts) else partial
        for texts, failed in zip(entries, broken, strict=True)
    ]
    data = [b",".join(texts) for texts in entries]
    return join([b'{"data":[', data, b'],"status":"', statuses, b'"', *_counts(result, rows), b"}"], len(rows))


def _counts(result: PartitionResult, rows: range) -> TextColumns:
    """The fields that follow `status` in a `response`."""
    counts = numbers(np.asarray(result.geometry_pixel_count[rows.start : rows.stop], np.int64))
    columns: TextColumns = [b',"geometryPixelCount":', counts]
    if result.tiny is not None:
        tiny = result.tiny[rows.start : rows.stop].tolist()
        columns += [b',"tiny":', [b"true" if each else b"false" for each in tiny]]
    return columns


def _entries(interval: IntervalResult, rows: range) -> Iterator[tuple[int, bytes]]:
    """(index in `rows`, entry of `data`) for each feature that has imagery in the interval."""
    here = np.flatnonzero(interval.present[rows.start : rows.stop])
    if not len(here):
        return
    taken = here + rows.start
    texts = join(chain(_entry(interval, taken), [b"}}"]), len(here))
    for place, row, text in zip(here.tolist(), taken.tolist(), texts, strict=True):
        failure = interval.failures.get(row)
        yield place, text if failure is None else b'%b"error":%b}' % (_opening(interval), _error(failure))


def _entry(interval: IntervalResult, rows: NDArray[np.intp]) -> Iterator[TextColumn]:
    """The entry of `data` of each of these features as columns, without the closing braces."""
    yield _opening(interval) + b'"outputs":{'
    for number, (output, bands) in enumerate(interval.outputs.items()):
        yield b'%b%b{"bands":{' % (b"," if number else b"", key(output))
        for place, (name, band) in enumerate(bands.items()):
            yield b"%b%b" % (b"," if place else b"", key(name))
            yield from band_columns(_take(band, rows))
        yield b"}}"


def _opening(interval: IntervalResult) -> bytes:
    ends = {"from": iso_seconds(interval.interval.start), "to": iso_seconds(interval.interval.end)}
    return b'{"interval":%b,' % orjson.dumps(ends)


def _error(failure: Failure) -> bytes:
    return orjson.dumps({"type": str(failure.type), "message": failure.message})


def _take(band: BandStatistics, rows: NDArray[np.intp]) -> BandStatistics:
    """The band's statistics for these features only."""
    return BandStatistics(
        minimum=band.minimum[rows],
        maximum=band.maximum[rows],
        mean=band.mean[rows],
        standard_deviation=band.standard_deviation[rows],
        sample_count=band.sample_count[rows],
        no_data_count=band.no_data_count[rows],
        percentiles=None if band.percentiles is None else band.percentiles[rows],
        ranks=band.ranks,
        more={name: column[rows] for name, column in band.more.items()},
        histogram=None if band.histogram is None else _take_histogram(band.histogram, rows),
    )


def _take_histogram(histogram: HistogramCounts, rows: NDArray[np.intp]) -> HistogramCounts:
    edges, edge_offsets = histogram.edges, histogram.edge_offsets
    counts, count_offsets = histogram.counts, histogram.count_offsets
    if edge_offsets is None or count_offsets is None:
        counts = counts[rows]
    else:
        edges, edge_offsets = _take_slices(edges, edge_offsets, rows)
        counts, count_offsets = _take_slices(counts, count_offsets, rows)
    return HistogramCounts(
        edges=edges,
        counts=counts,
        edge_offsets=edge_offsets,
        count_offsets=count_offsets,
        underflow=histogram.underflow[rows],
        overflow=histogram.overflow[rows],
        integer=histogram.integer,
    )


def _take_slices(
    flat: NDArray[Number], offsets: NDArray[np.int64], rows: NDArray[np.intp]
) -> tuple[NDArray[Number], NDArray[np.int64]]:
    """The slices of these rows, concatenated, and the offset where each begins."""
    lengths = np.diff(offsets)[rows]
    starts = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    places = np.arange(starts[-1]) + np.repeat(offsets[rows] - starts[:-1], lengths)
    return flat[places], starts
