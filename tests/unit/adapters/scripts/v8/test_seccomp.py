"""The system-call filter refuses what an interpreter has no use for, on every thread."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from arpent.adapters.scripts.v8 import seccomp as v8_seccomp

ATTEMPTS = """
import ctypes, json, os, signal, socket, threading
from arpent.adapters.scripts.v8 import seccomp as v8_seccomp
attempts = {
    "open": lambda: os.open("/etc/passwd", os.O_RDONLY), "list": lambda: os.listdir("/"),
    "unlink": lambda: os.unlink("/x"),
    "socket": socket.socket, "fork": os.fork, "exec": lambda: os.execv("/bin/true", ["true"]),
    "kill": lambda: os.kill(os.getppid(), 0), "truncate": lambda: os.ftruncate(1, 0), "pipe": os.pipe,
    "thread": lambda: threading.Thread(target=print).start(),
    "ptrace": lambda: refuse(ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0)),
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
assert v8_seccomp.confine()
begin.set()
end.wait()
print(json.dumps(found), flush=True)
os._exit(0)
"""


@pytest.mark.skipif(not v8_seccomp.available(), reason="no system-call filter on this machine")
def test_filter() -> None:
    answer = subprocess.run([sys.executable, "-c", ATTEMPTS], capture_output=True, text=True, timeout=30, check=True)
    found = json.loads(answer.stdout)
    assert found.pop("thread") == "RuntimeError"
    assert set(found.values()) == {"PermissionError"}, found
