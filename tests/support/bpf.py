"""BPF: runs a system-call filter as the kernel would, so that those of other machines can be tried on this one."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Protocol

LOAD, EQUAL, GREATER, AT_LEAST, ANY_BIT, JUMP, RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x05, 0x06
ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


class Instruction(Protocol):
    """struct sock_filter."""

    @property
    def code(self) -> int: ...
    @property
    def yes(self) -> int: ...
    @property
    def no(self) -> int: ...
    @property
    def value(self) -> int: ...


def seccomp_data(architecture: int, number: int, arguments: Sequence[int] = ()) -> bytes:
    """struct seccomp_data of a little-endian machine: number, architecture, instruction pointer, six arguments."""
    padded = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    return struct.pack("<IIQ6Q", number & 0xFFFFFFFF, architecture, 0, *(value & (1 << 64) - 1 for value in padded))


def run(program: Sequence[Instruction], data: bytes) -> int:
    """What the filter answers. A program that the kernel would not take is an AssertionError or IndexError."""
    assert 0 < len(program) <= 4096
    accumulator, place = 0, 0
    while True:
        code, yes, no, value = (getattr(program[place], name) for name in ("code", "yes", "no", "value"))
        assert 0 <= yes < 256
        assert 0 <= no < 256
        place += 1
        if code == RETURN:
            return int(value)
        if code == LOAD:
            assert value % 4 == 0
            accumulator = int(struct.unpack_from("<I", data, value)[0])
        elif code == JUMP:
            place += value
        else:
            tests = {
                EQUAL: accumulator == value,
                GREATER: accumulator > value,
                AT_LEAST: accumulator >= value,
                ANY_BIT: bool(accumulator & value),
            }
            place += yes if tests[code] else no
