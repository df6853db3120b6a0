"""A power cut: a partition that the database calls done is on the disk: content, file name and folder name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from arpent.adapters.database.connection import make_engine
from arpent.adapters.database.work.store import SqlWorkStore
from arpent.adapters.executors.inline import InlineExecutor
from arpent.adapters.objects import folder_batch
from arpent.domain.job import Progress, Status
from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import Lease
from arpent.settings import Settings
from tests.support import client
from tests.support.killer import DeadlySite
from tests.support.parcels import good_parcels, write_geopackage
from tests.support.scripts import SEED

pytestmark = pytest.mark.slow

PARCELS = good_parcels(40)


class Disk:
    """What would survive a power cut, from what was asked of the operating system."""

    def __init__(self, patch: pytest.MonkeyPatch, root: Path) -> None:
        self.root = root
        self.contents: set[int] = set()
        """Inodes whose content is on disk."""
        self.entries: dict[Path, set[str]] = {}
        """Folder → names in it that are on disk."""
        self.synced_all = False
        """Whether a whole file system was synced."""
        fsync, sync_all = os.fsync, folder_batch._sync_file_system

        def recorded(handle: int) -> None:
            fsync(handle)
            path = Path(os.readlink(f"/proc/self/fd/{handle}"))
            if path.is_dir():
                self.entries[path] = {entry.name for entry in path.iterdir()}
            else:
                self.contents.add(os.fstat(handle).st_ino)

        def recorded_all(handle: int) -> None:
            sync_all(handle)
            self.synced_all = True
            self.contents.update(path.stat().st_ino for path in root.rglob("*") if path.is_file())

        patch.setattr(os, "fsync", recorded)
        patch.setattr(folder_batch, "_sync_file_system", recorded_all)

    def holds(self, path: Path) -> bool:
        """Whether the file, and every folder down to it, would be there."""
        if path.stat().st_ino not in self.contents:
            return False
        below = [path, *(parent for parent in path.parents if parent != self.root and parent.is_relative_to(self.root))]
        return all(each.name in self.entries.get(each.parent, ()) for each in below)


@pytest.fixture
def site(tmp_path: Path, catalog: Path) -> Iterator[DeadlySite]:
    buckets = tmp_path / "buckets"
    write_geopackage(buckets / "fields" / "parcels.gpkg", PARCELS)
    (buckets / "results").mkdir()
    settings = Settings.model_validate(
        {
            "database_url": f"sqlite:///{tmp_path / 'arpent.db'}",
            "buckets": buckets,
            "catalog": str(catalog),
            "pixel_budget": 1_500,
        }
    )
    with closing(DeadlySite(folder=tmp_path, settings=settings, executor=InlineExecutor())) as made:
        yield made


@pytest.mark.parametrize("few", [0, 1000], ids=["all at once", "one by one"])
@pytest.mark.parametrize("output", ["s3://results/deep/below", "s3://results/<REQUEST_ID>/<ID>/numbers.json"])
def test_results_are_on_disk_before_the_database_says_so(
    site: DeadlySite, monkeypatch: pytest.MonkeyPatch, output: str, few: int
) -> None:
    monkeypatch.setattr(folder_batch, "FEW", few)
    bucket = site.folder / "buckets" / "results"
    disk = Disk(monkeypatch, bucket)
    checked: list[int] = []
    lost: list[Path] = []
    finish = SqlWorkStore.finish

    def power_may_fail_now(store: SqlWorkStore, lease: Lease, outcome: Outcome | None) -> Progress:
        if lease.partition is not None:
            # The copy of the features is written and synced by the process that may die, unseen by this test.
            files = [path for path in bucket.rglob("*") if path.is_file() and path.name != "features.parquet"]
            lost.extend(path for path in files if not disk.holds(path))
            names = {path.name for path in files} | {path.parent.name for path in files}
            told = {each for each in lease.partition.features.ids.tolist() if names & {str(each), f"{each}.json"}}
            checked.append(len(told))
        return finish(store, lease, outcome)

    monkeypatch.setattr(SqlWorkStore, "finish", power_may_fail_now)
    body: dict[str, Any] = client.seed_body("s3://fields/parcels.gpkg", SEED.text, output)
    job = site.start(site.create(json.dumps(body)), {})
    assert (job.status, job.progress.done) == (Status.DONE, len(PARCELS))
    assert lost == []
    assert sum(checked) == len(PARCELS)
    assert len(checked) > 1, "several partitions"
    assert disk.synced_all == (few == 0)


def test_what_the_database_says_is_on_disk(site: DeadlySite) -> None:
    """SQLite syncs its log with every commit (FULL); PostgreSQL does by default."""
    with make_engine(site.settings.database_url).connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
