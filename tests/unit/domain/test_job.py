"""Job: reasons of failed rows as they are counted."""

from __future__ import annotations

import pytest

from arpent.domain.job import REASON_LETTERS, row_reason


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("it threw at 12:30", "it threw at 12:30"),
        ("Cannot write s3://results/j/17.json: refused.", "Cannot write s3://results/…: refused."),
        ("See https://a.test/x/B04.tif?sig=1, or (gs://b/k).", "See https://a.test/…, or (gs://b/…)."),
        ("no path: https://a.test", "no path: https://a.test"),
        ("a\0b", "a\ufffdb"),
        ("x" * 999, "x" * REASON_LETTERS),
    ],
)
def test_reasons_are_short_and_name_no_file(message: str, expected: str) -> None:
    assert row_reason(message) == expected
