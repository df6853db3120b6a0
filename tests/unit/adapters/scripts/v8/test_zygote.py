"""The start of a zygote."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_an_interrupt_while_it_loads_is_not_told(tmp_path: Path) -> None:
    """Ctrl-C reaches the whole group of a command, which ends its zygote itself."""
    interrupted = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nraise SystemExit(7)\n"
    (tmp_path / "py_mini_racer.py").write_text(interrupted)
    places = [str(tmp_path), *(place for place in sys.path if place)]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "arpent.adapters.scripts.v8.zygote", "0", "1"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)}, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (7, "")
