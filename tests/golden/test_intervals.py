"""Published intervals of the real service (sentinelhub.md 2.3), through the body as a user writes it."""

from __future__ import annotations

from typing import Any

from arpent.domain.interval import iso_seconds
from arpent.wire.request.parse import parse_statistical
from tests.support.published import Case, one_test_each
from tests.unit.wire.bodies import STATISTICAL, text


def cut(wish: dict[str, Any]) -> list[list[str]]:
    changes = {
        "aggregation.timeRange": {"from": wish["from"], "to": wish["to"]},
        "aggregation.aggregationInterval": {"of": wish["of"]},
    }
    request = parse_statistical(text(STATISTICAL, changes))
    return [[iso_seconds(slice_.start), iso_seconds(slice_.end)] for slice_ in request.intervals]


@one_test_each("intervals")
def test_where_a_range_is_cut(case: Case):
    found, expected = cut(case["input"]), case["expected"]
    if isinstance(expected, list):
        assert found == expected
        return
    assert len(found) == expected["count"]
    for name, place in (("first", 0), ("second", 1), ("last", -1)):
        if name in expected:
            assert found[place] == expected[name]
