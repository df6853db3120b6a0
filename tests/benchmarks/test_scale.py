"""The simulation of a country: it obeys what must hold of any machine."""

from __future__ import annotations

import argparse

import pytest

from benchmarks.scale import BLOCK, BLOCK_KM2, PER_FEATURE, STAGES, reading, simulate

DATES = 3


def given(**changes: float) -> argparse.Namespace:
    ample = {
        "parcels": 100_000, "dates": DATES, "area": 40 * BLOCK_KM2, "budget": 4_000_000, "gigabytes": 1e6, "puts": 1e9,
        "searches": 1e9, "database": 1e9, "latency": 0.0,
    }  # fmt: skip
    return argparse.Namespace(**{**ample, **changes})


def test_one_core_with_ample_services_only_computes() -> None:
    run = simulate(1, given())
    least = 100_000 * (DATES * sum(STAGES.values()) + sum(PER_FEATURE.values())) * 1e-6
    assert least < run.seconds < 1.5 * least
    assert run.busy["cores"] == pytest.approx(1.0, abs=0.01)
    assert DATES * 40 * BLOCK < run.read < 5 * DATES * 40 * BLOCK
    assert simulate(4, given()).seconds < 0.4 * run.seconds


@pytest.mark.parametrize(
    ("scarce", "service", "least"),
    [
        ({"puts": 1000.0}, "PUTs", 100.0),
        ({"searches": 1.0}, "catalogue", 8.0 * DATES),
        ({"gigabytes": 0.001}, "bandwidth", 40 * DATES * BLOCK / 1e6),
        ({"database": 0.1}, "database", 80.0),
    ],
)
def test_what_is_scarce_saturates(scarce: dict[str, float], service: str, least: float) -> None:
    run = simulate(4, given(**scarce))
    assert run.seconds >= least
    assert 0.8 < run.busy[service] <= 1.0
    assert all(share <= 1.0 for share in run.busy.values())


def test_small_partitions_read_more() -> None:
    shares = [reading(blocks).fetched / blocks for blocks in (1.0, 5.5, 11.0, 44.0)]
    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == (4.0, pytest.approx(12 * 5 / 44))
