"""What every test gets: no network but loopback, and the way to data that the project's tree may not hold."""

from __future__ import annotations

import gc
import os
import random
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from arpent.adapters.scripts.jit import kernel_folder
from tests.support.bounds import CHECKED, told
from tests.support.loopback import only_loopback
from tests.support.server import revive
from tests.support.variables import misspelt

ROOT = Path(__file__).resolve().parent.parent
LONGEST = (
    "test_dask_hosts.py", "test_hostile_stores.py", "test_dask_job.py", "test_dask_executor.py", "test_chaos.py",
    "test_killer.py", "test_bench.py", "test_away.py", "test_postgres_lost.py", "test_killer_on_dask.py",
    "test_real_stores.py", "test_sts.py", "test_secrets_in_stores.py", "test_peers.py", "test_synchronous.py",
    "test_official_client.py", "test_guard_pages.py", "test_together.py", "test_executor.py", "test_bulkhead.py",
    "test_deadlines.py", "test_boundaries.py", "test_isolated.py", "test_catalog.py", "test_deadline.py",
    "test_geoparquet.py", "test_oracle.py", "test_language.py", "test_chunks.py", "test_isolation.py",
    "test_unforeseen.py", "test_broken_answers.py", "test_access.py", "test_lint.py", "test_folder.py",
    "test_momentary_answers.py", "test_narrowing.py", "test_pace.py", "test_upgrade.py", "test_zarr.py",
)  # fmt: skip
"""Files of tests that take longest, or wait for most of their time, so that processes that share the files end at about
the same time, and the processors have work while some wait."""

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")  # how long something takes says nothing where others work, too

PARTS = ("stac/s2-l2a-33t-120m", "stac/s2-l2a-31ufs-10m", "stac_items", "parcels")
"""Folders of $ARPENT_TEST_DATA."""


def pytest_configure() -> None:
    """Kernels that were compiled without checks are in the usual cache; a misspelt variable would skip tests unseen.
    Chaos has a new seed each time, the same in every process of a run: the environment is theirs, too."""
    os.environ.setdefault("CHAOS_SEED", str(random.SystemRandom().randrange(10**8)))
    if CHECKED and not os.environ.get("NUMBA_CACHE_DIR"):
        pytest.exit("NUMBA_BOUNDSCHECK needs a cache of its own, NUMBA_CACHE_DIR: use `make test-bounds`", returncode=4)
    if (fault := misspelt(os.environ)) is not None:
        raise pytest.UsageError(fault)
    kernel_folder.tolerate_faults()  # as processes of arpent do: a test would replace their kernels by its own
    kernel_folder.version()  # it reads sources, which some tests must not


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None]:
    """The tests are a million objects that stay: Python's search for garbage takes no second look at them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_report_header() -> str:
    return f"chaos: CHAOS_SEED={os.environ['CHAOS_SEED']}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A log may hold half a character; a process that runs tests could not send it to the one that counts them."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None]:
    """A server that ends by itself is a fault of the test in which it does, and not of all tests that share it."""
    faults = revive()
    yield
    assert not faults, "\n".join(faults)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first; the order is the same in every process, and within a file as it is written."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """A test that reaches beyond this machine fails, and says where it wanted to go."""
    with only_loopback():
        yield


@pytest.fixture(autouse=CHECKED)
def no_fault_overlooked() -> Iterator[None]:
    """A kernel that left its arrays fails the test, even if its error was caught."""
    with told() as faults:
        yield
    assert not faults, "\n".join(faults)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real imagery, items and parcels of third parties (tests/README.md); without them the test is skipped."""
    folder = Path(os.environ.get("ARPENT_TEST_DATA", ROOT.parent / "shared" / "data"))
    missing = [part for part in PARTS if not (folder / part).is_dir()]
    if missing:
        pytest.skip(f"needs data of third parties: set ARPENT_TEST_DATA to a folder with {', '.join(missing)}")
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why tests failed that passed when they were run once more: nothing else would tell."""
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.section(f"first try of {report.nodeid}", "_")
        terminalreporter.line(report.longreprtext)
