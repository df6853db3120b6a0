"""Tables of a run: a column for each number, whatever the ids and the caller's columns are called."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pyarrow as pa
import pytest

from arpent.api.fields import ID, KEY
from arpent.api.tables import wide_table

FIELDS = pa.table({KEY: [0, 1], ID: [10, 11], "geometry": [b"", b""], "ndvi_2023-06-01": ["x", "y"]})


def rows(bands: list[tuple[str, str]], days: list[int]) -> pa.Table:
    """The mean tells which row it is."""
    every = [
        {ID: key, "from": datetime(2023, 6, 1 + day, tzinfo=UTC), "output": output, "band": band,
         "mean": 1000.0 * key + 100 * place + day}
        for key, (place, (output, band)), day in product((10, 11), enumerate(bands), days)
    ]  # fmt: skip
    return pa.Table.from_pylist(every)


def test_a_column_per_day() -> None:
    found = wide_table(rows([("ndvi", "B0")], [0, 1]), FIELDS).to_pydict()
    assert found["ndvi_2023-06-01"] == [10_000, 11_000]
    assert found["ndvi_2023-06-02"] == [10_001, 11_001]
    assert found["feature_ndvi_2023-06-01"] == ["x", "y"]


@pytest.mark.parametrize(
    ("bands", "names"),
    [
        ([("a", "B0"), ("a", "B1")], ["a_B0_2023-06-01", "a_B1_2023-06-01"]),
        ([("a", "b_c"), ("a_b", "c"), ("a", "d")], ["a.b_c_2023-06-01", "a_b.c_2023-06-01", "a.d_2023-06-01"]),
    ],
)
def test_bands_have_a_column_each(bands: list[tuple[str, str]], names: list[str]) -> None:
    found = wide_table(rows(bands, [0]), FIELDS).to_pydict()
    assert {name: found[name] for name in names} == {
        name: [10_000 + 100 * place, 11_000 + 100 * place] for place, name in enumerate(names)
    }
