"""Samples go through in passes; every sample of every segment that still stands goes through once."""

from __future__ import annotations

import numpy as np
import pytest

from arpent.adapters.scripts.v8.session import pieces
from arpent.evalscript.layout import SEGMENTS


@pytest.mark.parametrize("offsets", [[0, 0], [0, 10], [0, 3, 3, 4, 10], [0, 0, 10, 10], list(range(11))])
@pytest.mark.parametrize("capacity", [1, 3, 4, 100])
def test_once(offsets: list[int], capacity: int) -> None:
    seen = np.zeros(offsets[-1], int)
    for low, high, segments, ends in pieces(np.array(offsets), capacity, {}):
        assert high - low <= capacity
        for segment, (first, last) in zip(segments, ends, strict=True):
            assert max(low, offsets[segment]) == first
            assert min(high, offsets[segment + 1]) == last
            seen[first:last] += 1
    assert (seen == 1).all()


def test_a_failed_segment_is_skipped_from_then_on() -> None:
    failed: dict[int, object] = {}
    passes = []
    for low, _, segments, _ in pieces(np.array([0, 8, 12]), 4, failed):
        passes.append((low, segments.tolist()))
        failed[0] = "thrown"
    assert passes == [(0, [0]), (8, [1])]


def test_many_segments() -> None:
    count = SEGMENTS * 2 + 5
    sizes = [len(segments) for _, _, segments, _ in pieces(np.arange(count + 1), 10**6, {})]
    assert sizes == [SEGMENTS, SEGMENTS, 5]
