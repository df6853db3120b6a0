"""Without seccomp: runs a command on which the kernel imposes no system-call filter, as under a strict outer one.

`python -m tests.support.without_seccomp COMMAND …`: seccomp(2) answers ENOSYS for the command and its children.
"""

from __future__ import annotations

import errno
import os
import platform
import sys

from arpent.adapters.scripts.v8 import seccomp as v8_seccomp
from tests.support.bpf import ALLOW, EQUAL, ERRNO, LOAD, RETURN

_SECCOMP = {"x86_64": 317, "aarch64": 277}


def main(command: list[str]) -> None:
    instructions = (
        (LOAD, 0, 0, 0),
        (EQUAL, 0, 1, _SECCOMP[platform.machine()]),
        (RETURN, 0, 0, ERRNO | errno.ENOSYS),
        (RETURN, 0, 0, ALLOW),
    )
    assert v8_seccomp.install([v8_seccomp.Instruction(*each) for each in instructions]) is None
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
