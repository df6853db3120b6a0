"""What a script is locked in, seen from outside; and that it is not run where it cannot be locked in."""

from __future__ import annotations

import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from arpent.adapters.scripts.v8 import seccomp as v8_seccomp
from arpent.adapters.scripts.v8.protocol import Channel, Message
from arpent.adapters.scripts.v8.runtime import V8Runtime, announce
from arpent.domain.errors import SandboxUnavailable
from arpent.domain.ports.scripts import ScriptInput, ScriptSession
from tests.support.interpreters import interpreters
from tests.support.without_seccomp import WRAPPED

SCRIPT = """//VERSION=3
function setup() { return {
  input: ["B04", "dataMask"], output: [{ id: "x", bands: 1 }, { id: "dataMask", bands: 1 }] } }
function evaluatePixel(s) { return { x: [VALUE], dataMask: [1] } }"""
filtered = pytest.mark.skipif(
    v8_seccomp.obstacle() is not None, reason="needs a system-call filter, which this machine has not"
)


def script(value: str) -> str:
    return SCRIPT.replace("VALUE", value)


def answer(session: ScriptSession) -> float:
    samples = ScriptInput(values=(np.ones(1), np.ones(1, np.uint8)), scales=((1, 0), (1, 0)))
    return float(session.evaluate([samples], np.array([0, 1])).values[0, 0])


# ---- the layers


@filtered
def test_every_thread_is_filtered_and_has_no_rights() -> None:
    with V8Runtime(5, 64) as runtime, runtime.open(script("1")):
        threads = [path.joinpath("status").read_text() for path in (interpreters()[0] / "task").iterdir()]
        assert len(threads) > 1, "V8 has one of its own"
        for status in threads:
            assert "\nSeccomp:\t2\n" in status
            assert "\nNoNewPrivs:\t1\n" in status
            assert re.findall(r"\nCap(?:Inh|Prm|Eff|Amb):\t(\w+)", status) == ["0" * 16] * 4


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, where limits are read")
def test_limits_cannot_be_raised_again() -> None:
    with V8Runtime(5, 64) as runtime, runtime.open(script("1")):
        limits = (interpreters()[0] / "limits").read_text()
        bounds = {name: re.search(rf"Max {name} +(\S+) +(\S+) ", limits) for name in ("core file size", "file size",
                  "open files", "processes", "data size")}  # fmt: skip
    for name, found in bounds.items():
        assert found is not None, name
        assert found[1] == found[2] != "unlimited", f"{name}: soft and hard limit are one"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, where descriptors are read")
def test_nothing_is_open_but_the_way_to_its_owner(tmp_path: Path) -> None:
    """Beside what V8's binding made for itself: an epoll and a pair of sockets that wake it."""
    with (tmp_path / "secret").open("wb") as file:
        os.set_inheritable(file.fileno(), True)
        with V8Runtime(5, 64) as runtime, runtime.open(script("1")):
            links = [link.readlink().as_posix() for link in (interpreters()[0] / "fd").iterdir()]
    kinds = sorted(link.partition(":")[0] for link in links)
    assert kinds == ["/dev/null"] * 3 + ["anon_inode"] + ["socket"] * 3, links


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, where the environment is read")
def test_its_environment_holds_no_secret_and_nothing_that_changes_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("ARPENT_SECRET_KEY", "x" * 32), ("AWS_SECRET_ACCESS_KEY", "x"), ("LANG", "de_DE.UTF-8"),
                        ("LC_ALL", "de_DE.UTF-8"), ("TZ", "Asia/Kathmandu"), ("HOME", "/x")):  # fmt: skip
        monkeypatch.setenv(name, value)
    with (
        V8Runtime(5, 64) as runtime,
        runtime.open(script("new Date(0).getHours() + (0.5).toLocaleString().length")) as s,
    ):
        words = (interpreters()[0] / "environ").read_bytes().decode().split("\0")
        assert answer(s) == 3, "UTC, and 0.5 with a point"
    names = {word.partition("=")[0] for word in words if word}
    assert names <= {"PATH", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "TMPDIR", "TZ"}
    assert "TZ=UTC" in words


def test_v8s_own_sandbox_is_built_in() -> None:
    code = (
        "import ctypes, py_mini_racer\n"
        "with py_mini_racer.MiniRacer() as v8:\n"
        "    using = v8._ctx._dll.mr_v8_is_using_sandbox\n"
        "    using.restype = ctypes.c_bool\n"
        "    print(using())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "True\n"


# ---- where there is no filter

TELL = """
import json, logging, sys
from arpent.adapters.scripts.v8.runtime import V8Runtime, announce
from arpent.domain.errors import SandboxUnavailable
from tests.contracts.test_script_sandbox import answer, script
logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
unfiltered = sys.argv[1] == "unfiltered"
announce(unfiltered=unfiltered)
said = []
with V8Runtime(5, 64, unfiltered=unfiltered) as runtime:
    for _ in range(2):
        try:
            with runtime.open(script("7")) as session:
                said.append(answer(session))
        except SandboxUnavailable as error:
            said.append([str(error), error.transient])
print(json.dumps(said))
"""


def told(how: str, repository: Path) -> tuple[list[object], list[str]]:
    """What two sessions gave in a process that gets no filter, and what it logged."""
    done = subprocess.run(
        [*WRAPPED, sys.executable, "-c", TELL, how],
        capture_output=True, text=True, timeout=60, check=True, cwd=repository,
    )  # fmt: skip
    return json.loads(done.stdout), done.stderr.splitlines()


@filtered
def test_no_script_runs_unfiltered(repository: Path) -> None:
    """The fault is the machine's, trying again is no use, and the message names the setting."""
    answers, log = told("filtered", repository)
    assert len(answers) == 2
    for message, transient in answers:  # type: ignore[misc]
        assert not transient
        assert "Function not implemented" in message
        assert "ARPENT_UNFILTERED_SCRIPTS=true" in message
    assert [line.split()[0] for line in log] == ["ERROR"], "said at start"
    assert "ARPENT_UNFILTERED_SCRIPTS=true" in log[0]


@filtered
def test_unless_the_operator_says_so(repository: Path) -> None:
    answers, log = told("unfiltered", repository)
    assert answers == [7, 7]
    assert [line.split()[0] for line in log] == ["WARNING"] * 2, "at start, and with the first script"


@filtered
def test_where_there_is_one_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    announce(unfiltered=False)
    announce(unfiltered=True)
    assert caplog.records == []


def test_an_interpreter_that_does_not_tell_counts_as_unfiltered(monkeypatch: pytest.MonkeyPatch) -> None:
    receive = Channel.receive

    def silent(channel: Channel, seconds: float | None = None) -> Message:
        return {key: value for key, value in receive(channel, seconds).items() if key != "obstacle"}

    monkeypatch.setattr(Channel, "receive", silent)
    with V8Runtime(5, 64) as runtime, pytest.raises(SandboxUnavailable), runtime.open(script("1")):
        pass


@pytest.mark.parametrize("unfiltered", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_the_setting_travels_to_the_workers(unfiltered: bool, compiled: bool) -> None:
    from arpent import worker  # here: it takes seconds, and the processes above import this module
    from arpent.adapters.scripts.jit.runtime import CompiledRuntime
    from arpent.settings import Settings

    settings = Settings(unfiltered_scripts=unfiltered, compile_scripts=compiled)
    travelled = Settings.model_validate_json(worker.for_workers(settings).model_dump_json(exclude={"database_url"}))
    runtime = pickle.loads(pickle.dumps(worker.script_runtime(travelled)))
    assert isinstance(runtime, CompiledRuntime) == compiled
    inner = runtime.__reduce__()[1][0] if compiled else runtime
    assert inner.__reduce__()[1][3] is unfiltered
    assert worker.interpreters(settings, require_mask=False).__reduce__()[1] == (60.0, 512, False, unfiltered)


@filtered
def test_about() -> None:
    with V8Runtime(5, 64) as runtime:
        about = runtime.about()
    assert about.obstacle is None
    assert re.fullmatch(r"\d+(\.\d+){3}", about.engine)
