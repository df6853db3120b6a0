"""The system-call filter: what it answers on each machine, and what is left to a process behind it."""

from __future__ import annotations

import json
import platform
import re
import signal
import subprocess
import sys
from errno import ENOSYS, EPERM
from pathlib import Path

import pytest

from arpent.adapters.scripts.v8 import seccomp as v8_seccomp
from arpent.adapters.scripts.v8.seccomp import CONDITIONS, MACHINES, MISSING, NUMBERS, filter_program
from tests.support.bpf import ALLOW, ERRNO, KILL_PROCESS, run, seccomp_data

REFUSED = ERRNO | EPERM
HIGHEST = 1024
OTHERS = {
    "i386": 0x40000003, "arm": 0x40000028, "x86_64": 0xC000003E, "aarch64": 0xC00000B7, "aarch64_be": 0x800000B7,
    "riscv64": 0xC00000F3, "none": 0,
}  # fmt: skip
HEADERS = {
    "x86_64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"),
    "aarch64": ("/usr/include/asm-generic/unistd.h",),
}
"""Where the kernel's own tables lie, if they are installed."""
NEVER = {
    "files": "open openat openat2 creat stat lstat newfstatat statx access faccessat faccessat2 readlink readlinkat "
    "getdents64 unlink unlinkat rename renameat2 mkdirat linkat symlinkat chmod fchmodat truncate ftruncate "
    "memfd_create open_by_handle_at mount chroot",
    "networks": "socket socketpair connect bind listen accept accept4 sendmsg sendmmsg pipe pipe2 eventfd2",
    "processes": "fork vfork clone execve execveat kill tkill tgkill pidfd_open pidfd_getfd pidfd_send_signal ptrace "
    "process_vm_readv process_vm_writev kcmp setrlimit unshare setns setuid capset shmget shmat mq_open",
    "the kernel": "prctl seccomp bpf io_uring_setup userfaultfd perf_event_open keyctl add_key",
}
"""Calls that must never come into the table, by what they reach."""


@pytest.fixture(params=list(MACHINES))
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def answer(machine: str, number: int, *arguments: int) -> int:
    return run(filter_program(MACHINES[machine]), seccomp_data(MACHINES[machine].architecture, number, arguments))


def test_what_the_table_names_is_allowed_and_all_else_refused(machine: str) -> None:
    column = MACHINES[machine].column
    allowed = {numbers[column] for numbers in NUMBERS.values()} - {None}
    missing = {numbers[column] for numbers in MISSING.values()}
    assert len(allowed) > 30
    for number in range(HIGHEST):
        expected = ALLOW if number in allowed else ERRNO | ENOSYS if number in missing else REFUSED
        assert answer(machine, number, 7_777, 7_777, 7_777) == expected, number


@pytest.mark.parametrize("name", CONDITIONS)
def test_some_calls_are_allowed_with_some_arguments_only(machine: str, name: str) -> None:
    condition = CONDITIONS[name]
    number = condition.numbers[MACHINES[machine].column]

    def asked(value: int, others: int) -> int:
        arguments = [others] * 6
        arguments[condition.argument] = value
        return answer(machine, number, *arguments)

    for value in (condition.low, condition.high, 1 << 32 | condition.low):
        assert asked(value, 7_777) == ALLOW
    for value in (condition.low - 1, condition.high + 1, condition.low | 1 << 31, -7):
        assert asked(value, condition.low) == REFUSED


def test_other_processes_have_no_clock_here(machine: str) -> None:
    """The clock of a process is a number made of its id (clock_getcpuclockid)."""
    number = CONDITIONS["clock_gettime"].numbers[MACHINES[machine].column]
    assert answer(machine, number, 2) == ALLOW, "needs another machine than this one"
    for process in (1, 12_345):
        assert answer(machine, number, ~process << 3 | 2) == REFUSED


@pytest.mark.parametrize("other", OTHERS)
def test_calls_of_another_architecture_kill(machine: str, other: str) -> None:
    if other == machine:
        pytest.skip("needs another machine than this one")
    for number in range(HIGHEST):
        assert run(filter_program(MACHINES[machine]), seccomp_data(OTHERS[other], number)) == KILL_PROCESS


def test_calls_of_x32_kill() -> None:
    """They have the architecture of x86-64 and a bit of their own."""
    for number in [0, 1, 59, *range(512, 548)]:
        assert answer("x86_64", number | 0x40000000) == KILL_PROCESS


def test_the_numbers_are_those_of_the_kernel(machine: str) -> None:
    path = next((Path(name) for name in HEADERS[machine] if Path(name).exists()), None)
    if path is None:
        pytest.skip(f"needs the kernel's headers: {HEADERS[machine][0]}")
    text = path.read_text()
    known = {
        name: int(number) for name, number in re.findall(r"^#define __NR(?:3264)?_(\w+)\s+(\d+)$", text, re.MULTILINE)
    }
    column = MACHINES[machine].column
    tables = NUMBERS | MISSING | {name: condition.numbers for name, condition in CONDITIONS.items()}
    for name, numbers in tables.items():
        assert numbers[column] == known.get(name), name


@pytest.mark.parametrize("what", NEVER)
def test_no_call_reaches(what: str) -> None:
    assert set(NEVER[what].split()) & (set(NUMBERS) | set(CONDITIONS)) == set()


# ---- behind the filter of this machine

filtered = pytest.mark.skipif(
    v8_seccomp.obstacle() is not None, reason="needs a system-call filter, which this machine has not"
)

ATTEMPTS = """
import ctypes, json, os, resource, signal, socket, threading, time
from arpent.adapters.scripts.v8 import seccomp as v8_seccomp
ours, theirs = socket.socketpair()
parent = os.getppid()
attempts = {
    "open": lambda: os.open("/etc/passwd", os.O_RDONLY), "list": lambda: os.listdir("/"),
    "stat": lambda: os.stat("/etc/passwd"), "link": lambda: os.readlink("/proc/self/exe"),
    "unlink": lambda: os.unlink("/x"),
    "socket": socket.socket, "fork": os.fork, "exec": lambda: os.execv("/bin/true", ["true"]),
    "kill": lambda: os.kill(parent, 0), "truncate": lambda: os.ftruncate(1, 0), "pipe": os.pipe,
    "thread": lambda: threading.Thread(target=print).start(),
    "ptrace": lambda: refuse(ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0)),
    "pass": lambda: socket.send_fds(ours, [b"x"], [1]),
    "clock": lambda: time.clock_gettime(~parent << 3 | 2), "cores": lambda: os.sched_getaffinity(1),
    "limit": lambda: resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE, (9, 9)),
}
def refuse(result):
    if result == -1:
        raise PermissionError(ctypes.get_errno())
found, begin, end = {}, threading.Event(), threading.Event()
def attempt():
    begin.wait()
    for name, action in attempts.items():
        try:
            action()
            found[name] = "possible"
        except (OSError, RuntimeError) as error:
            found[name] = type(error).__name__
    end.set()
threading.Thread(target=attempt, daemon=True).start()
assert v8_seccomp.confine() is None
begin.set()
end.wait()
print(json.dumps(found), flush=True)
os._exit(0)
"""


@filtered
def test_nothing_is_left_to_a_process_on_any_of_its_threads() -> None:
    done = subprocess.run([sys.executable, "-c", ATTEMPTS], capture_output=True, text=True, timeout=30, check=True)
    found = json.loads(done.stdout)
    assert found.pop("thread") == "RuntimeError"
    assert set(found.values()) == {"PermissionError"}, found


@filtered
def test_the_kernel_takes_the_filter_of_each_machine(machine: str) -> None:
    """Of another machine, too: then the first call, which is not of that machine, kills."""
    code = (
        "from arpent.adapters.scripts.v8.seccomp import MACHINES, filter_program, install\n"
        f"why = install(filter_program(MACHINES['{machine}']))\nprint(why, flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    if machine == platform.machine():
        assert done.stdout == "None\n"
    else:
        assert (done.returncode, done.stdout) == (-signal.SIGSYS, "")


# ---- where there is none


@pytest.mark.parametrize(
    ("system", "machine", "word"),
    [("darwin", "arm64", "arm64"), ("linux", "riscv64", "riscv64"), ("linux", "aarch64_be", "aarch64_be"),
     ("linux", "i686", "i686"), ("win32", "AMD64", "AMD64")],
)  # fmt: skip
def test_unknown_machines_have_none(system: str, machine: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert word in str(v8_seccomp.obstacle())
    assert v8_seccomp.confine() == v8_seccomp.obstacle()


def test_a_process_of_32_bits_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel then has the machine's name, but its calls are those of another one."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(sys, "maxsize", (1 << 31) - 1)
    assert "this Python is 32-bit" in str(v8_seccomp.obstacle())


@filtered
def test_a_filter_that_the_kernel_does_not_apply_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As an emulator might that takes any program and does nothing with it."""
    monkeypatch.setattr(v8_seccomp, "install", lambda _: None)
    assert "does not apply it" in str(v8_seccomp.confine())
