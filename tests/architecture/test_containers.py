"""The container files: what they set exists, what they run is a command, what they copy is there. None is built."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from arpent.cli.main import app
from arpent.settings import Settings

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "containers").iterdir())
COMMANDS = set(get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_setting_exists(path: Path) -> None:
    named = {name.lower() for name in re.findall(r"ARPENT_([A-Z_]+[A-Z])", path.read_text())}
    assert named
    assert named <= set(Settings.model_fields)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_registry_is_named(path: Path) -> None:
    """The builder chooses where images and packages come from."""
    assert not re.search(r"\b[\w-]+\.(io|com|org|net)\b", path.read_text())


def test_what_is_copied_is_there() -> None:
    lines = (ROOT / "containers" / "Containerfile").read_text().splitlines()
    copied = [name for line in lines if re.match("COPY (?!--from)", line) for name in line.split()[1:-1]]
    assert "src" in copied
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_services_run_commands() -> None:
    services = yaml.safe_load((ROOT / "containers" / "compose.yaml").read_text())["services"]
    assert {name for service in services.values() for name in service.get("command", [])} <= COMMANDS
    manifests = list(yaml.safe_load_all((ROOT / "containers" / "kubernetes.yaml").read_text()))
    deployments = [manifest for manifest in manifests if manifest["kind"] == "Deployment"]
    containers = [each for deployment in deployments for each in deployment["spec"]["template"]["spec"]["containers"]]
    assert {container["args"][0] for container in containers} == {"serve", "work"} <= COMMANDS
    for container in containers:
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_whoever_serves_beyond_this_machine_can_hand_out_tokens() -> None:
    """In a container every request comes from elsewhere."""
    server = yaml.safe_load((ROOT / "containers" / "compose.yaml").read_text())["services"]["server"]
    assert server["environment"]["ARPENT_INSECURE_TRANSPORT"] == "true"
    assert all(port.startswith("127.0.0.1:") for port in server["ports"]), "so this machine only"
    (secret,) = [
        manifest
        for manifest in yaml.safe_load_all((ROOT / "containers" / "kubernetes.yaml").read_text())
        if manifest["kind"] == "Secret"
    ]
    assert secret["stringData"]["ARPENT_TRUST_FORWARDED"] == "true"
