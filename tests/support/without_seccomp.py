"""Without seccomp: runs a command to which the kernel gives no system-call filter, as an old kernel would.

`python without_seccomp.py COMMAND …`: seccomp(2) answers ENOSYS to the command and all that it starts.
"""

from __future__ import annotations

import errno
import os
import platform
import sys
from pathlib import Path

from arpent.adapters.scripts.v8.seccomp import Instruction, install

WRAPPED = (sys.executable, str(Path(__file__).resolve()))
"""What to write before a command."""
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def main(command: list[str]) -> None:
    """Become the command."""
    program = (
        Instruction(_LOAD, 0, 0, 0),
        Instruction(_EQUAL, 0, 1, _SECCOMP[platform.machine()]),
        Instruction(_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        Instruction(_RETURN, 0, 0, _ALLOW),
    )
    assert install(program) is None
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
