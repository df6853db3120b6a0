"""A limit of connections counts over processes: each has slots of its own, and all share the locks."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Event, Thread, Timer

import pytest

from arpent.adapters.sources.connections import ConnectionSlots
from arpent.domain.boundary.wanted import while_wanted
from arpent.network.access import AccessFailed
from arpent.network.deadline import within

HOLDER = """
import sys, tempfile
from arpent.adapters.sources.connections import ConnectionSlots
tempfile.tempdir = sys.argv[1]
with ConnectionSlots("archive", 1).take():
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def waiting(slots: ConnectionSlots) -> tuple[Thread, Event]:
    """Somebody who wants a slot, and whether they have it."""
    got = Event()

    def take() -> None:
        with slots.take():
            got.set()

    thread = Thread(target=take, daemon=True)
    thread.start()
    return thread, got


def test_two_who_do_not_know_one_another_share_the_slots() -> None:
    mine, other = ConnectionSlots("archive", 2), ConnectionSlots("archive", 2)
    with mine.take():
        thread, got = waiting(other)
        assert got.wait(10)
        thread.join()
        with mine.take():
            thread, got = waiting(other)
            assert not got.wait(0.3)
        assert got.wait(10)
        thread.join()


def test_slots_of_another_source_are_its_own() -> None:
    with ConnectionSlots("archive", 1).take():
        assert waiting(ConnectionSlots("other", 1))[1].wait(10)


def test_a_slot_ends_with_its_process(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        thread, got = waiting(ConnectionSlots("archive", 1))
        assert not got.wait(0.3)
        holder.kill()
        assert got.wait(10)
        thread.join()


@pytest.mark.parametrize("same", [True, False])
def test_nobody_waits_for_a_slot_beyond_the_deadline(same: bool) -> None:
    mine = ConnectionSlots("archive", 1)
    other = mine if same else ConnectionSlots("archive", 1)
    refusal = pytest.raises(AccessFailed, match="`connections` of the source archive")
    with mine.take(), within(0.2), refusal as failure, other.take():
        pytest.fail("the slot is held")
    assert failure.value.transient
    with within(10), other.take():  # what failed holds nothing
        pass


@pytest.mark.parametrize("same", [True, False])
def test_who_is_no_longer_wanted_waits_for_no_slot(same: bool) -> None:
    mine = ConnectionSlots("archive", 1)
    other = mine if same else ConnectionSlots("archive", 1)
    stopped, refused = Event(), Event()

    def take() -> None:
        with while_wanted(lambda: not stopped.is_set()), within(3600.0):
            Timer(0.1, stopped.set).start()
            with pytest.raises(AccessFailed), other.take():
                pytest.fail("the slot is held")
            refused.set()

    with mine.take():
        Thread(target=take, daemon=True).start()
        assert refused.wait(60)


@pytest.mark.parametrize("kind", ["a file", "a link", "a folder for all"])
def test_a_folder_of_somebody_else_is_not_used(folder: Path, kind: str) -> None:
    place = folder / f"arpent-slots-{os.getuid()}"
    if kind == "a file":
        place.write_bytes(b"")
    elif kind == "a link":
        place.symlink_to(folder)
    else:
        place.mkdir()
        place.chmod(0o777)
    told = r"arpent-slots-.* is not a folder that only this user may write"
    with pytest.raises(AccessFailed, match=told), ConnectionSlots("archive", 2).take():
        pass
