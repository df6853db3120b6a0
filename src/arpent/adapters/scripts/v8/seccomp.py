"""Seccomp: the system calls that an interpreter may use once V8 is initialised; others fail with EPERM (Linux, x86-64
and arm64).

No allowed call takes a path, creates a socket or names another process (docs/adr/0008-script-sandbox.md).
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from errno import EFAULT, ENOSYS, EPERM
from typing import NamedTuple


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A processor architecture as the kernel identifies it."""

    column: int
    """Its column in NUMBERS."""
    architecture: int
    """AUDIT_ARCH_… constant of the kernel."""
    foreign: int | None
    """First number of another set of calls (x32), none of which is allowed; None if there is none."""


MACHINES = {
    "x86_64": Machine(column=0, architecture=0xC000003E, foreign=0x40000000),
    "aarch64": Machine(column=1, architecture=0xC00000B7, foreign=None),
}
"""Name that `platform.machine()` returns → architecture."""

NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "fstat": (5, 80), "poll": (7, None), "mmap": (9, 222),
    "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sched_yield": (24, 124), "mremap": (25, 216),
    "madvise": (28, 233), "nanosleep": (35, 101), "getpid": (39, 172), "sendto": (44, 206), "recvfrom": (45, 207),
    "recvmsg": (47, 212), "exit": (60, 93), "getrusage": (98, 165), "sigaltstack": (131, 132), "gettid": (186, 178),
    "futex": (202, 98), "restart_syscall": (219, 128), "exit_group": (231, 94), "epoll_wait": (232, None),
    "epoll_ctl": (233, 21), "ppoll": (271, 73), "set_robust_list": (273, 99), "epoll_pwait": (281, 22),
    "getrandom": (318, 278), "membarrier": (324, 283), "pkey_mprotect": (329, 288), "pkey_alloc": (330, 289),
    "pkey_free": (331, 290), "rseq": (334, 293),
}  # fmt: skip
"""Calls that are allowed with any arguments: number on x86-64, on arm64 (None: it has no such call)."""


class ArgumentRule(NamedTuple):
    """A call that is allowed if one of its arguments is in a range, both ends included."""

    numbers: tuple[int, int]
    argument: int
    low: int
    high: int


CLOCKS = (0, 15)
"""Range of ids of the machine's clocks and the process's own; those of other processes are negative."""
CONDITIONS = {
    "fcntl": ArgumentRule((72, 25), 1, 1030, 1030),  # F_DUPFD_CLOEXEC: a mapping duplicates its descriptor
    "ioctl": ArgumentRule((16, 29), 1, 0x5421, 0x5421),  # FIONBIO: for time limits on the link
    "prlimit64": ArgumentRule((302, 261), 0, 0, 0),  # only of the process itself, as in the next row
    "sched_getaffinity": ArgumentRule((204, 123), 0, 0, 0),
    "clock_gettime": ArgumentRule((228, 113), 0, *CLOCKS),
    "clock_getres": ArgumentRule((229, 114), 0, *CLOCKS),
    "clock_nanosleep": ArgumentRule((230, 115), 0, *CLOCKS),
}
"""Calls allowed for some arguments. Arguments are compared as 32 bits: the kernel ignores higher bits, and so does the
filter."""

MISSING = {"clone3": (435, 435)}
"""Calls that fail with ENOSYS, so that the C library falls back to others; a filter cannot inspect their arguments."""
_SECCOMP = (317, 277)
_GETPPID = (110, 173)
_LOAD, _EQUAL, _GREATER, _AT_LEAST, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_SET_MODE_FILTER, _ALL_THREADS, _NO_NEW_PRIVILEGES = 1, 1, 38


class Instruction(NamedTuple):
    """An instruction of the kernel's filter machine (classic BPF); `yes` and `no` are how many instructions to skip."""

    code: int
    yes: int
    no: int
    value: int


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("value", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


def obstacle() -> str | None:
    """Why no filter can be installed in this process, as far as can be seen without installing it; None if one can."""
    name = platform.machine()
    machine = MACHINES.get(name)
    if sys.platform != "linux" or machine is None:
        return f"it exists for Linux on {' and '.join(MACHINES)}, and this is {platform.system()} on {name}"
    if sys.maxsize < 1 << 32:
        return f"it exists for 64-bit processes, and this Python is 32-bit on {name}"
    result = _seccomp(machine, 0)  # a kernel with filters tries to read one at address 0
    return None if result == (-1, EFAULT) else f"the kernel accepts none ({os.strerror(result[1])})"


def confine() -> str | None:
    """Install the filter in this process permanently. Returns None, or why it could not be installed."""
    if (why := obstacle() or install(filter_program(MACHINES[platform.machine()]))) is not None:
        return why
    refused = _call("syscall", _GETPPID[MACHINES[platform.machine()].column])
    return None if refused == (-1, EPERM) else "the kernel accepted it but does not apply it"


def install(instructions: Sequence[Instruction]) -> str | None:
    """Install a filter on all threads of this process. Returns None, or why that failed."""
    if _call("prctl", _NO_NEW_PRIVILEGES, 1, 0, 0, 0)[0]:
        return "the process cannot forgo new privileges"
    listed = (_Instruction * len(instructions))(*(_Instruction(*each) for each in instructions))
    whole = _Program(len(listed), listed)
    result, error = _seccomp(MACHINES[platform.machine()], ctypes.addressof(whole))
    if result > 0:
        return f"the kernel cannot put it on thread {result}"
    return None if result == 0 else f"the kernel refuses it ({os.strerror(error)})"


def filter_program(machine: Machine) -> tuple[Instruction, ...]:
    """The filter: kill calls of another architecture or set of calls; allow what the tables list; refuse the rest."""
    column = machine.column
    found = [
        Instruction(_LOAD, 0, 0, _ARCHITECTURE_AT),
        Instruction(_EQUAL, 1, 0, machine.architecture),
        Instruction(_RETURN, 0, 0, _KILL),
        Instruction(_LOAD, 0, 0, _NUMBER_AT),
    ]
    if machine.foreign is not None:
        found += [Instruction(_AT_LEAST, 0, 1, machine.foreign), Instruction(_RETURN, 0, 0, _KILL)]
    for numbers in NUMBERS.values():
        found += _if_equal(numbers[column], _ALLOW)
    for numbers in MISSING.values():
        found += _if_equal(numbers[column], _REFUSE | ENOSYS)
    for condition in CONDITIONS.values():
        found += [
            Instruction(_EQUAL, 0, 5, condition.numbers[column]),
            Instruction(_LOAD, 0, 0, _ARGUMENTS_AT + 8 * condition.argument),  # the lower half; both are little-endian
            Instruction(_AT_LEAST, 0, 2, condition.low),
            Instruction(_GREATER, 1, 0, condition.high),
            Instruction(_RETURN, 0, 0, _ALLOW),
            Instruction(_RETURN, 0, 0, _REFUSE | EPERM),
        ]
    return (*found, Instruction(_RETURN, 0, 0, _REFUSE | EPERM))


def _if_equal(value: int | None, answer: int) -> Sequence[Instruction]:
    if value is None:
        return ()
    return Instruction(_EQUAL, 0, 1, value), Instruction(_RETURN, 0, 0, answer)


def _seccomp(machine: Machine, address: int) -> tuple[int, int]:
    """Result and errno of seccomp(2) on all threads, with the program at that address."""
    return _call("syscall", _SECCOMP[machine.column], _SET_MODE_FILTER, _ALL_THREADS, address)


def _call(name: str, *arguments: int) -> tuple[int, int]:
    """Result and errno of a function of the C library that takes machine words."""
    function = getattr(ctypes.CDLL(None, use_errno=True), name)
    function.restype = ctypes.c_long
    result = int(function(*map(ctypes.c_ulong, arguments)))
    return result, ctypes.get_errno()
