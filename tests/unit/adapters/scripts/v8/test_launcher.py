"""The launcher's zygote: what reaches it while it begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from arpent.adapters.scripts.v8.launcher import Launcher

INTERRUPTED = "import os, signal, sys\nif 'zygote' in sys.orig_argv[-3]:\n    os.kill(os.getpid(), signal.SIGINT)\n"
"""A `sitecustomize`, with which Python begins."""


def test_ctrl_c_while_it_begins_is_not_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It reaches the whole process group, and the parent decides what ends."""
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    launcher = Launcher(64)
    try:
        child = launcher.start()
        assert launcher.end(child) in (0, -9), "it ends by itself once its channel is closed, or is killed"
    finally:
        launcher.close()
    assert capfd.readouterr().err == ""
