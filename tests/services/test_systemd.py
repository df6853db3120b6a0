"""systemd's own check of the units; nothing is started."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from arpent.settings import Settings
from tests.support.server import arpent

pytestmark = pytest.mark.services
UNITS = sorted((Path(__file__).parents[2] / "containers" / "systemd").glob("*.service"))
COMMAND = "/opt/arpent/bin/arpent"
MOST_EXPOSED = 2.5
"""Of `systemd-analyze security`: 0 is locked in, 10 is a service without any limit."""


@pytest.fixture
def analyze() -> str:
    if (found := shutil.which("systemd-analyze")) is None:
        pytest.skip("needs systemd-analyze: install systemd")
    return found


def installed(unit: Path, folder: Path) -> Path:
    """A copy of the unit that runs the arpent of this environment: the check looks whether it is there."""
    copy = folder / unit.name
    copy.write_text(unit.read_text().replace(COMMAND, arpent()[0]))
    return copy


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_is_as_systemd_wants_it(unit: Path, analyze: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [analyze, "verify", installed(unit, tmp_path)], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_the_check_finds_what_is_wrong(unit: Path, analyze: str, tmp_path: Path) -> None:
    wrong = installed(unit, tmp_path)
    wrong.write_text(wrong.read_text().replace("KillMode=mixed", "KillMode=gently"))
    done = subprocess.run([analyze, "verify", wrong], capture_output=True, text=True, check=False)
    assert "gently" in done.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_is_locked_in(unit: Path, analyze: str, tmp_path: Path) -> None:
    command = [analyze, "security", "--offline=true", "--json=short", f"--threshold={int(MOST_EXPOSED * 10)}"]
    done = subprocess.run([*command, installed(unit, tmp_path)], capture_output=True, text=True, check=False)
    if not done.stdout.startswith("["):
        pytest.skip("needs systemd 250 or newer: this one rates no unit that is not loaded")
    open_doors = [each["name"] for each in json.loads(done.stdout) if each.get("set") is False]
    assert done.returncode == 0, open_doors


def test_units_set_what_exists() -> None:
    for unit in UNITS:
        lines = [line for line in unit.read_text().splitlines() if line.startswith("Environment=")]
        names = [pair.partition("=")[0] for line in lines for pair in line.removeprefix("Environment=").split()]
        ours = {name.removeprefix("ARPENT_").removesuffix("_FILE").lower() for name in names if "ARPENT_" in name}
        assert ours <= set(Settings.model_fields)
        assert ours
