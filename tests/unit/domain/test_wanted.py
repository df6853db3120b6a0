"""Pauses vary, and leave the random numbers of programs and tests as they are."""

from __future__ import annotations

import random

from arpent.domain.boundary.wanted import varied


def test_pauses_vary_by_half() -> None:
    pauses = [varied(2.0) for _ in range(200)]
    assert all(1.0 <= pause <= 3.0 for pause in pauses)
    assert len(set(pauses)) > 100


def test_they_use_no_dice_that_somebody_has_seeded() -> None:
    """A notebook's sequence would change with the network, and all forks of a process would wait alike."""
    before = random.getstate()
    varied(1.0)
    assert random.getstate() == before
