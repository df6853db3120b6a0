"""What a process loads before it works: it adds to the start of every command, runner and worker."""

from __future__ import annotations

import subprocess
import sys

LOADED = """
import sys
def heavy():
    return [name for name in ("fastapi", "pandas", "prometheus_client", "sqlalchemy") if name in sys.modules]
import arpent.worker
print(*heavy(), sep=",")
import arpent.wiring
print(*heavy(), sep=",")
from arpent.adapters.formats.vector.files import load_libraries
load_libraries()
print(*heavy(), sep=",")
"""


def test_nobody_loads_what_only_others_need() -> None:
    """A worker no database, a runner no web server, and only who reads files of features what reads them."""
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    worker, runner, reader = done.stdout.splitlines()
    assert worker == ""
    assert runner == "sqlalchemy"
    assert reader == "pandas,sqlalchemy"
