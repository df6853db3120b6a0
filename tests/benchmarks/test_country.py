"""The made country: parcels like real ones, the same for everybody; and the clock that looks at memory."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import shapely

from benchmarks.country import _shapes


def test_parcels_touch_their_neighbours_and_do_not_overlap() -> None:
    shapes = _shapes(400, 1000, 1)
    assert shapely.is_valid(shapes).all()
    assert set(shapely.get_num_coordinates(shapes)) == {17}
    union = shapely.union_all(shapes)
    assert np.isclose(shapely.area(shapes).sum(), union.area, rtol=1e-9)
    assert len(shapely.get_parts(union)) == 1
    assert 0.5 < np.median(shapely.area(shapes)) / 10_000 < 2.5


def test_parcels_are_the_same_every_time() -> None:
    one, other = _shapes(50, 1000, None), _shapes(50, 1000, None)
    assert shapely.equals_exact(one, other).all()


WATCHED = """
import subprocess, sys
from benchmarks.clock import Watch

child = "import time; kept = bytes(range(256)) * 400_000; time.sleep(0.3); del kept; time.sleep(0.3)"
with Watch(every=0.01) as watch:
    subprocess.run([sys.executable, "-c", child], check=True)
print(watch.peak(1, 1), watch.peak(2, 9))
"""


def test_the_peak_of_a_process_that_has_ended_is_known() -> None:
    """In a process of its own, as other tests leave children here."""
    told = subprocess.run([sys.executable, "-c", WATCHED], check=True, capture_output=True, text=True).stdout.split()
    assert 100e6 < int(told[0]) < 200e6
    assert told[1] == "0"
