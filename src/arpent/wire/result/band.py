"""Band: one band of one output as JSON text, column by column: `{"stats":{…},"histogram":{…}}` (sentinelhub.md 3.2)."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import orjson

from arpent.domain.calculation import share_column
from arpent.domain.result import BandStatistics, HistogramCounts
from arpent.wire.result.text import TextColumns, join, numbers, percentile_key

WHOLE = 2.0**63
"""Integers whose absolute value is below this fit int64."""


def band_columns(band: BandStatistics) -> TextColumns:
    """The JSON text of the band for n features, as columns."""
    columns: TextColumns = [
        b'{"stats":{"min":', numbers(band.minimum),
        b',"max":', numbers(band.maximum),
        b',"mean":', numbers(band.mean),
        b',"stDev":', numbers(band.standard_deviation),
        b',"sampleCount":', numbers(band.sample_count),
        b',"noDataCount":', numbers(band.no_data_count),
    ]  # fmt: skip
    if band.percentiles is not None:
        columns.append(_percentiles(band))
    columns += _more(band)
    if band.histogram is None:
        columns.append(b"}}")
    else:
        columns += [b"}", _histogram(band.histogram, len(band.minimum)), b"}"]
    return columns


def _more(band: BandStatistics) -> TextColumns:
    """Additional statistics, and shares of classes as an object; arpent extensions."""
    columns: TextColumns = []
    prefix, opened = share_column(""), False
    for name, column in band.more.items():
        lead = b","
        if name.startswith(prefix):
            lead, opened, name = (b"," if opened else b',"shares":{'), True, name.removeprefix(prefix)  # noqa: PLW2901
        columns += [lead + key(name), numbers(column)]
    return [*columns, b"}"] if opened else columns


def _percentiles(band: BandStatistics) -> list[bytes]:
    """The percentiles of each feature; empty where no sample is valid (sentinelhub.md 3.2)."""
    assert band.percentiles is not None
    columns: TextColumns = []
    for place, k in enumerate(band.ranks):
        opening = ',"percentiles":{' if place == 0 else ","
        columns += [f'{opening}"{percentile_key(k)}":'.encode(), numbers(band.percentiles[:, place])]
    texts = join([*columns, b"}"], len(band.minimum))
    for row in np.flatnonzero(band.no_data_count >= band.sample_count).tolist():
        texts[row] = b""
    return texts


def _histogram(histogram: HistogramCounts, count: int) -> list[bytes]:
    tails: TextColumns = [
        b',"overflowCount":', numbers(histogram.overflow),
        b',"underflowCount":', numbers(histogram.underflow), b"}",
    ]  # fmt: skip
    edges = _edges(histogram)
    opening = b',"histogram":{"bins":['
    if histogram.edge_offsets is None:
        columns: TextColumns = []
        counts = numbers(histogram.counts.ravel())
        width = histogram.counts.shape[1]
        for place in range(width):
            lead = opening if place == 0 else b"},"
            columns += [
                b'%b{"lowEdge":%b,"highEdge":%b,"count":' % (lead, edges[place], edges[place + 1]),
                counts[place::width],
            ]
        return join([*columns, b"}]", *tails], count)
    texts = join([opening, _ragged_bins(histogram, edges), b"]", *tails], count)
    for row in np.flatnonzero(np.diff(histogram.edge_offsets) == 0).tolist():
        texts[row] = b""
    return texts


def _edges(histogram: HistogramCounts) -> list[bytes]:
    if not histogram.integer:
        return numbers(histogram.edges)
    if np.abs(histogram.edges).max(initial=0.0) < WHOLE:
        return numbers(histogram.edges.astype(np.int64))
    return [b"%d" % int(edge) for edge in histogram.edges.tolist()]


def _ragged_bins(histogram: HistogramCounts, edges: list[bytes]) -> list[bytes]:
    """The bins of each feature if every feature has its own edges: all are rendered at once, then split by feature."""
    assert histogram.edge_offsets is not None
    assert histogram.count_offsets is not None
    starts = histogram.count_offsets
    # Edge i of a feature is the low edge of its bin i; the last edge is only a high edge.
    owner = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    low = np.arange(starts[-1]) + (histogram.edge_offsets[:-1] - starts[:-1])[owner]
    bins = join(
        [
            b'{"lowEdge":', [edges[place] for place in low.tolist()],
            b',"highEdge":', [edges[place + 1] for place in low.tolist()],
            b',"count":', numbers(histogram.counts), b"}",
        ],
        len(low),
    )  # fmt: skip
    cuts = starts.tolist()
    return [b",".join(bins[begin:end]) for begin, end in pairwise(cuts)]


def key(name: str) -> bytes:
    """`name` as a JSON key: `"name":`."""
    return orjson.dumps(name) + b":"
