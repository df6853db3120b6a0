"""Published histograms of the real service: edges to the last bit, counts (sentinelhub.md 3.3)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from arpent.domain.calculation import Calculation, Histogram
from arpent.domain.evalscript import SampleType
from arpent.domain.result import HistogramCounts
from arpent.zonal.statistics import summarise
from tests.support.published import Case, one_test_each


def samples(wish: dict[str, Any], expected: dict[str, Any]) -> list[float]:
    """Samples that the published counts describe: the middle of each bin as often as it counts, and the tails."""
    edges = expected["edges"]
    if "bins" in wish:
        middles = [float(edge) for edge in edges[:-2]] + [float(edges[-1])]
    else:
        middles = [(low + high) / 2 for low, high in pairwise(edges)]
    values = [x for x, count in zip(middles, expected["counts"], strict=True) for _ in range(count)]
    values += [edges[-1] + 1] * expected["overflowCount"]
    values += [wish.get("dataMin", edges[0] - 1)] * expected["underflowCount"]
    if "dataMax" in wish:
        values[-expected["underflowCount"] - 1] = wish["dataMax"]
    return values


def counted(values: list[float], wish: dict[str, Any]) -> HistogramCounts:
    found = summarise(
        np.array(values),
        np.ones(len(values), bool),
        np.array([0, len(values)]),
        sample_count=np.array([len(values)]),
        calculation=Calculation(
            histogram=Histogram(
                bins=tuple(wish["bins"]) if "bins" in wish else None,
                bin_count=wish.get("nBins"),
                bin_width=wish.get("binWidth"),
                low_edge=wish.get("lowEdge"),
                high_edge=wish.get("highEdge"),
                integer="bins" in wish,
            )
        ),
        sample_type=SampleType(wish.get("sampleType", "FLOAT32")),
    ).histogram
    assert found is not None
    return found


@one_test_each("histogram")
def test_edges_and_counts(case: Case):
    wish, expected = case["input"], case["expected"]
    found = counted(samples(wish, expected), wish)
    assert found.edges.tolist() == expected["edges"]
    assert found.counts.ravel().tolist() == expected["counts"]
    assert found.overflow.tolist() == [expected["overflowCount"]]
    assert found.underflow.tolist() == [expected["underflowCount"]]
    assert found.integer is expected.get("edgesAreJsonIntegers", False)


@one_test_each("histogram_edges")
def test_bins_go_on_until_the_maximum_is_covered(case: Case):
    found = counted([case["input"]["dataMax"]], case["input"])
    assert len(found.edges) == case["expected"]["bins"] + 1
    assert found.edges[-1] == pytest.approx(case["expected"]["lastEdge"], rel=1e-15)
