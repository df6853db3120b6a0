"""V8 seccomp: the system calls an interpreter keeps once V8 stands; any other answers EPERM (Linux x86-64)."""

from __future__ import annotations

import ctypes
import platform
import sys

_ALLOWED = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11,
    "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "sched_yield": 24, "mremap": 25,
    "madvise": 28, "dup": 32, "nanosleep": 35, "getpid": 39, "sendto": 44, "recvfrom": 45, "sendmsg": 46,
    "recvmsg": 47, "exit": 60, "getrlimit": 97, "getrusage": 98, "times": 100, "sigaltstack": 131, "gettid": 186,
    "futex": 202, "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229,
    "clock_nanosleep": 230, "exit_group": 231, "epoll_wait": 232, "epoll_ctl": 233, "newfstatat": 262, "ppoll": 271,
    "set_robust_list": 273, "epoll_pwait": 281, "getrandom": 318, "membarrier": 324, "pkey_mprotect": 329,
    "pkey_alloc": 330, "pkey_free": 331, "rseq": 334,
}  # fmt: skip
_FCNTL, _IOCTL, _PRLIMIT = 72, 16, 302
_DUPLICATE_CLOSE_ON_EXEC = 1030
_FIONBIO = 0x5421
_CLONE3 = 435
_MISSING = (_CLONE3,)
_X86_64 = 0xC000003E
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_SECCOMP, _SET_MODE_FILTER, _ALL_THREADS, _NO_NEW_PRIVILEGES = 317, 1, 1, 38


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("yes", ctypes.c_ubyte), ("no", ctypes.c_ubyte), ("value", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


def available() -> bool:
    """Whether this machine is one whose system calls are known here."""
    return sys.platform == "linux" and platform.machine() == "x86_64"


def confine() -> bool:
    """Install the filter over all threads of this process; False where that is not possible. It cannot be undone."""
    if not available():
        return False
    instructions = _instructions()
    listed = (_Instruction * len(instructions))(*instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        return False
    program = _Program(len(listed), listed)
    return bool(libc.syscall(_SECCOMP, _SET_MODE_FILTER, _ALL_THREADS, ctypes.byref(program)) == 0)


def _instructions() -> list[_Instruction]:
    program = [
        _Instruction(_LOAD, 0, 0, _ARCHITECTURE),
        _Instruction(_EQUAL, 1, 0, _X86_64),
        _Instruction(_RETURN, 0, 0, _KILL),
        _Instruction(_LOAD, 0, 0, _NUMBER),
    ]
    for number in _ALLOWED.values():
        program += [_Instruction(_EQUAL, 0, 1, number), _Instruction(_RETURN, 0, 0, _ALLOW)]
    for number in _MISSING:
        program += [_Instruction(_EQUAL, 0, 1, number), _Instruction(_RETURN, 0, 0, _REFUSE | _ENOSYS)]
    # only fcntl(F_DUPFD_CLOEXEC), ioctl(FIONBIO) and prlimit on oneself
    program += _with_argument(_FCNTL, _SECOND_ARGUMENT, _DUPLICATE_CLOSE_ON_EXEC)
    program += _with_argument(_IOCTL, _SECOND_ARGUMENT, _FIONBIO)
    program += _with_argument(_PRLIMIT, _FIRST_ARGUMENT, 0)
    return [*program, _Instruction(_RETURN, 0, 0, _REFUSE | _EPERM)]


def _with_argument(number: int, argument: int, value: int) -> list[_Instruction]:
    return [
        _Instruction(_EQUAL, 0, 4, number),
        _Instruction(_LOAD, 0, 0, argument),
        _Instruction(_EQUAL, 0, 1, value),
        _Instruction(_RETURN, 0, 0, _ALLOW),
        _Instruction(_RETURN, 0, 0, _REFUSE | _EPERM),
    ]
