"""Grids and the samples in them, as ragged arrays."""

from __future__ import annotations

import numpy as np
import pytest

from arpent.domain.grid import Grids, Resolution, Samples, Size

SAMPLES = Samples.of(
    offsets=np.array([0, 2, 2, 5]),
    columns=np.array([0, 1, 5, 6, 7], np.int32),
    rows=np.array([0, 0, 1, 2, 3], np.int32),
)


@pytest.mark.parametrize("features", [[0, 1, 2], [2, 0], [1], [1, 2], [2, 2], []])
def test_samples_of_some_features_in_their_order(features: list[int]) -> None:
    part = SAMPLES.take(np.array(features, np.intp))
    assert part.counts.tolist() == [SAMPLES.counts[feature] for feature in features]
    for place, feature in enumerate(features):
        here = slice(*part.offsets[place : place + 2])
        there = slice(*SAMPLES.offsets[feature : feature + 2])
        assert part.columns[here].tolist() == SAMPLES.columns[there].tolist()
        assert part.rows[here].tolist() == SAMPLES.rows[there].tolist()
    assert part.columns.dtype == part.rows.dtype == np.int32


@pytest.mark.parametrize("sampling", [Resolution(x=10, y=10), Size(width=3, height=4)])
@pytest.mark.filterwarnings("error")
def test_a_feature_without_bounds_leaves_the_other_grids_alone(sampling: Resolution | Size) -> None:
    bounds = np.array([[0, 0, 25, 35], [np.nan] * 4, [-np.inf, 0, np.inf, 10], [np.inf] * 4, [-1e308, 0, 1.7e308, 1]])
    grids, alone = Grids.over(bounds, sampling), Grids.over(bounds[:1], sampling)
    assert len(grids) == len(bounds)
    assert (grids.width[0], grids.height[0]) == (alone.width[0], alone.height[0])
    assert (grids.width >= 1).all()
    assert (grids.height >= 1).all()
