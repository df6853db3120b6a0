"""Published histograms of the real service: edges to the last bit, counts (FACTS 3.3)."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from arpent.domain.calculation import Calculation, Histogram
from arpent.domain.evalscript import SampleType
from arpent.zonal.statistics import summarise
from tests.support.published import cases


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


def test_histograms(shared_reference: Path):
    for case in cases(shared_reference, "histogram"):
        wish, expected = case["input"], case["expected"]
        values = np.array(samples(wish, expected))
        found = summarise(
            values,
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
        assert found.edges.tolist() == expected["edges"], case["id"]
        assert found.counts.ravel().tolist() == expected["counts"], case["id"]
        assert found.overflow.tolist() == [expected["overflowCount"]], case["id"]
        assert found.underflow.tolist() == [expected["underflowCount"]], case["id"]
        assert found.integer is expected.get("edgesAreJsonIntegers", False), case["id"]
