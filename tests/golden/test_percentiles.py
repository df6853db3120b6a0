"""Published percentiles of the real service (sentinelhub.md 3.3)."""

from __future__ import annotations

import numpy as np

from arpent.domain.calculation import Calculation
from arpent.domain.evalscript import SampleType
from arpent.wire.result.text import percentile_key
from arpent.zonal.statistics import summarise
from tests.support.published import Case, one_test_each


def percentiles(values: list[float], k: tuple[float, ...]) -> list[float]:
    found = summarise(
        np.array(values),
        np.ones(len(values), bool),
        np.array([0, len(values)]),
        sample_count=np.array([len(values)]),
        calculation=Calculation(percentiles=k),
        sample_type=SampleType.FLOAT32,
    ).percentiles
    assert found is not None
    return [float(x) for x in found[0]]


@one_test_each("percentiles")
def test_a_percentile_is_a_sample(case: Case):
    wish, expected = case["input"], case["expected"]
    k = tuple(wish["k"])
    if "keys" in expected:
        assert [percentile_key(one) for one in k] == expected["keys"]
        # 100 samples, those of rank k being the published values as the file holds them: DN / 10000.
        values = np.interp(np.arange(100), k, expected["values"])
        values[list(k)] = np.round(expected["values"], 4)
        assert percentiles(values.tolist(), k) == expected["values"]
    else:
        edge, below = wish["valuesBelow"]
        values = [edge - 0.1] * below + [expected["value"]] + [0.9] * (wish["n"] - below - 1)
        assert percentiles(values, k) == [expected["value"]]
