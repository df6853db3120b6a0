"""The times of items: what RFC 3339 allows is read, the rest is refused in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from arpent.adapters.catalogs.instant import instant_of

TEN = datetime(2023, 6, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-06-01T10:00:00Z", TEN),
        ("2023-06-01t10:00:00z", TEN),
        ("2023-06-01 12:00:00+02:00", TEN),
        ("2023-06-01T10:00:00", TEN),
        ("2023-06-01T10:00:00.123456789Z", TEN + timedelta(microseconds=123456)),
        ("2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2016-12-31T23:59:60", datetime(2016, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("2017-01-01t00:59:60.5+01:00", datetime(2016, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
    ],
)
def test_instants(text: str, expected: datetime) -> None:
    assert instant_of(text) == expected
    assert instant_of(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text", [None, 20230601, "", "June 1st", "2023-06-01T10:60:00Z", "2023-06-01T10:60", "2023-06-01T10:00:61Z"]
)
def test_what_is_no_instant(text: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - what it says is the library's
        instant_of(text)
