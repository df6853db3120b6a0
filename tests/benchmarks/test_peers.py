"""Every peer of `make bench` does the same work as arpent: NDVI, masked by SCL, of the same days and parcels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import ours
from benchmarks.country import EPSG, SIZES, make, parcels
from benchmarks.parcels import Numbers, Parcels, read
from benchmarks.peers import PEERS, agreement, compared, measure

SIZE = SIZES["T"]


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Parcels, Numbers]]:
    """Parcels of the smallest size, and arpent's numbers of some."""
    with pytest.MonkeyPatch.context() as patched:
        out = tmp_path_factory.mktemp("country")
        patched.setenv("ARPENT_BENCH_RESULTS", str(out))
        folder = make(out, "T")
        features = parcels(folder, "parcels", SIZE.sparse, SIZE.side, f"EPSG:{EPSG}", 1)
        ours.bring(folder, features)
        job = ours.prepare(folder, ours.body(features, SIZE.dates))
        yield read(features, folder / "catalog", SIZE.dates), job.summary(compared(SIZE.sparse), SIZE.dates)


pytestmark = [  # odc-geo's and rasterio's
    pytest.mark.filterwarnings("ignore:The 'shapely.ops.transform:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),
]


@pytest.mark.parametrize("name", PEERS)
def test_numbers_are_those_of_arpent_within_the_difference_of_the_rules(
    name: str, country: tuple[Parcels, Numbers]
) -> None:
    peer = PEERS[name]
    if not peer.installed:
        pytest.skip(f"needs {peer.package}: install requirements/bench.txt")
    given, reference = country
    taken, note, numbers = measure(peer, given)
    found = agreement(reference, numbers)
    assert found["agrees"], found
    assert 0.85 < found["pixels"] < 1.1  # pixels by their centres, or all that are touched
    assert taken.cpu > 0
    assert bool(note) == (len(numbers.count) < SIZE.dates or (peer.parcels or SIZE.sparse) < SIZE.sparse)


def test_peers_that_do_something_else_are_found_out(country: tuple[Parcels, Numbers]) -> None:
    given, reference = country
    _, _, numbers = measure(PEERS["label image, NDVI of whole images"], given)
    assert agreement(reference, numbers)["agrees"]
    other_day = Numbers(count=numbers.count[::-1], mean=numbers.mean[::-1])
    assert not agreement(reference, other_day)["agrees"]
    assert not agreement(reference, replace(numbers, mean=-numbers.mean))["agrees"]
    assert not agreement(reference, replace(numbers, count=numbers.count / 2))["agrees"]
    assert not agreement(reference, replace(numbers, count=np.zeros_like(numbers.count)))["agrees"]


def test_a_label_image_is_the_same_however_it_is_read(country: tuple[Parcels, Numbers]) -> None:
    given, _ = country
    listed = [name for name in PEERS if "label image" in name and PEERS[name].installed]
    first, *others = (PEERS[name].work(given) for name in listed)
    assert others
    for other in others:
        np.testing.assert_array_equal(first.count, other.count)
        np.testing.assert_allclose(first.mean, other.mean, rtol=1e-6)
