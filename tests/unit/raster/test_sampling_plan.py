"""A site among threads, and what it knows of items."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import shapely

from tests.support.cogs import boxes_site, item

SHARED = """
import threading
import numpy as np, shapely
from pyproj import CRS
from arpent.adapters.scripts.jit.kernel_folder import tolerate_faults
from arpent.domain.grid import Grids
from arpent.domain.grid import Samples
from arpent.raster.sampling_plan import SamplingPlan

tolerate_faults()  # as processes of arpent do: it would replace their kernels by its own
low = np.random.default_rng(1).random((200, 2))
bounds = np.hstack((low, low + 0.01))
grids = Grids(bounds=bounds, width=np.ones(200, int), height=np.ones(200, int))
nothing = np.zeros(0, np.int32)
samples = Samples.of(offsets=np.zeros(201, np.int64), columns=nothing, rows=nothing)
plan = SamplingPlan(CRS.from_epsg(4326), grids, samples)
turn = np.linspace(0, 2 * np.pi, 40)
circle = np.column_stack((0.5 + 0.45 * np.cos(turn), 0.5 + 0.45 * np.sin(turn)))
footprints = [shapely.Polygon(circle) for _ in range(1500)]
together = threading.Barrier(4)

def ask():
    for footprint in footprints:
        together.wait()
        assert 0 < plan.reach.of(footprint).sum() < 200

threads = [threading.Thread(target=ask) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
"""Four threads ask about the same footprint at the same moment, again and again."""


def test_threads_may_ask_about_the_same_footprint():
    """In a process of its own: what this guards against is a segmentation fault."""
    answer = subprocess.run([sys.executable, "-c", SHARED], capture_output=True, text=True, timeout=60, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_what_is_known_of_an_item_is_not_found_out_again() -> None:
    plan = boxes_site([[500000, 5099900, 500050, 5099980], [500600, 5099300, 500700, 5099400]])
    near, far = item("near", {}), item("far", {}, footprint=shapely.box(-10, -10, -9, -9))
    knowing = plan.knowing([far], np.array([[False, True]]))
    assert [knowing.reached(one).tolist() for one in (near, far)] == [[True, True], [False, True]]
    assert [plan.reached(one).tolist() for one in (near, far)] == [[True, True], [False, False]]


def test_items_of_one_id_are_not_taken_for_one_another() -> None:
    plan = boxes_site([[500000, 5099900, 500050, 5099980], [500600, 5099300, 500700, 5099400]])
    one, other = item("same", {}), item("same", {})
    knowing = plan.knowing([one, other], np.array([[True, False], [False, True]]))
    assert [knowing.reached(each).tolist() for each in (one, other)] == [[True, False], [False, True]]
