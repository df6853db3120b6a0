"""What every test gets: no network but loopback, and the way to data that the project's tree may not hold."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.loopback import only_loopback

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True, scope="session")
def no_network() -> Iterator[None]:
    """A test that reaches beyond this machine fails, and says where it wanted to go."""
    with only_loopback():
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real imagery and parcels, from $ARPENT_TEST_DATA or `../shared/data`; without them the test is skipped."""
    folder = Path(os.environ.get("ARPENT_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("real imagery is not here: set ARPENT_TEST_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def shared_reference() -> Path:
    """Published cases of the real service (`golden.json`) and the slow mask rule, from `../shared/reference`."""
    folder = ROOT.parent / "shared" / "reference"
    if not folder.is_dir():
        pytest.skip("the reference folder ../shared/reference is not here")
    return folder
