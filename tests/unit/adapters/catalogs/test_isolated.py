"""A catalogue of Parquet that another process searches: the same items, and what ends that process ends nobody else."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import shapely

from arpent.adapters.catalogs.geoparquet.isolated import IsolatedCatalog, Search
from arpent.adapters.collections.files import load_collections
from arpent.adapters.executors.processes.bulkhead import ProcessBulkhead
from arpent.domain.errors import CatalogUnavailable, NoLongerWanted
from arpent.domain.imagery.item import Item
from arpent.domain.interval import Interval
from arpent.settings import load
from arpent.wiring.local import catalog_processes

COLLECTION = load_collections()["sentinel-2-l2a"]
JUNE = Interval(start=datetime(2020, 6, 1, tzinfo=UTC), end=datetime(2020, 7, 1, tzinfo=UTC))
BOX = (15.0, 46.0, 15.1, 46.1)


def one_item(search: Search) -> tuple[Item, ...]:
    collection, interval, box = search
    item = Item(
        id="one", collection=collection.id, instant=interval.start, created=None, cloud_cover=None,
        footprint=shapely.box(*box), assets={},
    )  # fmt: skip
    return (item,)


def where(search: Search) -> tuple[Item, ...]:
    (item,) = one_item(search)
    return (replace(item, id=str(os.getpid())),)


def abort(_: Search) -> tuple[Item, ...]:
    os.kill(os.getpid(), signal.SIGABRT)
    return ()


def begin_and_wait(begun: Path, _: Search) -> tuple[Item, ...]:
    begun.touch()
    time.sleep(3600)
    return ()


def fill_the_memory(_: Search) -> tuple[Item, ...]:
    raise MemoryError


def refuse(_: Search) -> tuple[Item, ...]:
    raise CatalogUnavailable("It may not be read.")


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessBulkhead]:
    found = catalog_processes(load(catalog="items.parquet"))
    assert found is not None
    yield found
    found.close()


def test_what_ends_its_process_ends_one_search(processes: ProcessBulkhead) -> None:
    submit = partial(processes.submit, "searches")
    faults: list[tuple[Callable[[Search], tuple[Item, ...]], str]] = [
        (abort, "crashes the process that reads it: A worker process died"),
        (fill_the_memory, "more than the allowed 2048 MiB"),
        (refuse, "It may not be read"),
    ]
    for fault, told in faults:
        with pytest.raises(CatalogUnavailable, match=told) as caught:
            IsolatedCatalog(submit, fault).search(COLLECTION, JUNE, BOX)
        assert not caught.value.transient
    (item,) = IsolatedCatalog(submit, one_item).search(COLLECTION, JUNE, BOX)
    assert (item.id, item.instant, item.footprint.bounds) == ("one", JUNE.start, BOX)


def test_a_search_that_is_no_longer_wanted_ends_with_its_process(processes: ProcessBulkhead, tmp_path: Path) -> None:
    """STOP must not wait for a catalogue that says nothing, nor leave the place to it."""
    submit, begun = partial(processes.submit, "searches"), tmp_path / "begun"
    stopped = IsolatedCatalog(submit, partial(begin_and_wait, begun), lambda: not begun.exists())
    with pytest.raises(NoLongerWanted):
        stopped.search(COLLECTION, JUNE, BOX)
    assert IsolatedCatalog(submit, one_item).search(COLLECTION, JUNE, BOX)[0].id == "one"


class JustNow(Future[Any]):
    """Ends between a wait for it, which was in vain, and the look at whether it has ended."""

    def result(self, timeout: float | None = None) -> Any:
        if not self.done():
            self.set_result(one_item((COLLECTION, JUNE, BOX)))
            raise TimeoutError
        return super().result(timeout)


def test_a_search_that_ends_as_its_wait_does() -> None:
    call = SimpleNamespace(future=JustNow(), begun=lambda: True, cancel=lambda: None)
    assert IsolatedCatalog(lambda *_: call, one_item).search(COLLECTION, JUNE, BOX)[0].id == "one"


def test_one_process_makes_all_searches(processes: ProcessBulkhead) -> None:
    """Another one would read the footers of all files again."""
    catalog = IsolatedCatalog(partial(processes.submit, "searches"), where)
    assert len({catalog.search(COLLECTION, JUNE, BOX)[0].id for _ in range(20)}) == 1


@pytest.mark.parametrize(
    ("catalog", "others", "isolated"),
    [
        ("items.parquet", {}, True), ("https://x.test/items.parquet?sig=1", {}, True), ("s3://bucket/items/", {}, True),
        ("https://x.test/stac", {}, False), ("items.json", {}, False), ("items.json", {"dem": "dem.parquet"}, True),
    ],
)  # fmt: skip
def test_which_catalogues_are_searched_elsewhere(catalog: str, others: dict[str, str], isolated: bool) -> None:
    settings = load(catalog=catalog).model_copy(update={"catalogs": others})
    found = catalog_processes(settings)
    assert (found is not None) == isolated
    if found is not None:
        found.close()
