"""Calculations: who gets what, without any merging (sentinelhub.md 2.4)."""

from __future__ import annotations

from arpent.wire.request.parse import parse_statistical
from tests.unit.wire.bodies import STATISTICAL, text

HISTOGRAM = {"nBins": 3, "lowEdge": 0.0, "highEdge": 1.0}


def wishes(calculations: dict[str, object], output: str, band: str) -> tuple[bool, tuple[float, ...]]:
    """(a histogram is asked for, percentiles)."""
    found = parse_statistical(text(STATISTICAL, {"calculations": calculations})).calculations.of(output, band)
    return found.histogram is not None, found.percentiles


def k(*values: float) -> dict[str, object]:
    return {"percentiles": {"k": list(values)}}


def test_an_output_of_its_own_takes_nothing_from_the_default():
    calculations = {
        "default": {"histograms": {"default": HISTOGRAM}, "statistics": {"default": k(5)}},
        "mine": {"histograms": {"red": HISTOGRAM}, "statistics": {"blue": k(33)}},
    }
    assert wishes(calculations, "mine", "red") == (True, ())
    assert wishes(calculations, "mine", "blue") == (False, (33.0,))
    assert wishes(calculations, "mine", "green") == (False, ())
    assert wishes(calculations, "other", "B0") == (True, (5.0,))


def test_an_empty_entry_asks_for_nothing():
    assert wishes({"default": {"statistics": {"default": k(5)}}, "mine": {}}, "mine", "B0") == (False, ())


def test_a_band_beats_the_default_even_if_it_asks_for_nothing():
    calculations = {"default": {"statistics": {"default": k(5), "B1": {}}}}
    assert wishes(calculations, "any", "B0") == (False, (5.0,))
    assert wishes(calculations, "any", "B1") == (False, ())


def test_without_calculations_there_are_the_basics():
    assert wishes({}, "any", "B0") == (False, ())
