"""The container files: what they set exists, what they run is a command, what they copy is there. `make image` builds
the image and runs the demo in it; tests/services has Kubernetes' and systemd's own checks."""

from __future__ import annotations

import re
import runpy
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from arpent.cli.main import app
from arpent.jobs.policy import Policy
from arpent.settings import Settings
from tests.support.manifests import FOLDER, OVERLAYS, containers_of, documents, refused_by_us

ROOT = Path(__file__).parents[2]
FILES = sorted(path for path in (ROOT / "containers").rglob("*") if path.is_file() and path.suffix != ".pyc")
COMMANDS = set(get_command(app).commands)  # type: ignore[attr-defined]
DEPLOYMENTS = [each for each in documents() if each["kind"] == "Deployment"]
APIS = {"k8s.io", "kubernetes.io"}
"""Names of Kubernetes' APIs and labels look like hosts."""
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "containers" / "compose.yaml").read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "containers")))
def test_every_setting_exists(path: Path) -> None:
    named = {name.lower().removesuffix("_file") for name in re.findall(r"ARPENT_([A-Z_]+[A-Z])", path.read_text())}
    tables = {name.partition("__")[0] for name in named}
    assert tables <= set(Settings.model_fields)
    limits = {name.partition("__")[2] for name in named if name.startswith("policy__")}
    assert limits <= {each.name for each in fields(Policy)}


def test_the_settings_of_the_files_are_found() -> None:
    """The test above would pass over nothing."""
    text = "\n".join(path.read_text() for path in FILES)
    assert len(set(re.findall(r"ARPENT_[A-Z_]+[A-Z]", text))) > 8


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "containers")))
def test_no_registry_is_named(path: Path) -> None:
    """The builder chooses where images and packages come from."""
    assert set(re.findall(r"\b[\w-]+\.(?:io|com|org|net)\b", path.read_text())) <= APIS


BUILDS = {
    Path("containers/Containerfile"): ROOT,
    Path("containers/postgres/Containerfile"): ROOT / "containers" / "postgres",
    Path("containers/s3/Containerfile"): ROOT / "containers" / "s3",
}
"""Containerfile → the folder that its COPY starts from."""


@pytest.mark.parametrize("path", BUILDS, ids=str)
def test_what_is_copied_is_there(path: Path) -> None:
    assert set(BUILDS) == {found.relative_to(ROOT) for found in FILES if found.name == "Containerfile"}
    lines = (ROOT / path).read_text().splitlines()
    found = [re.match(r"COPY (?!--from)(?:--\w+=\S+ )?(.*)", line) for line in lines]
    copied = [name for each in found if each for name in each[1].split()[:-1]]
    assert copied
    assert [name for name in copied if not (BUILDS[path] / name).exists()] == []


def test_the_build_installs_what_the_extras_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    requirements = runpy.run_path(str(ROOT / "containers" / "slim.py"))["requirements"]
    wanted = re.search(r"ARG EXTRAS=(\S+)", (ROOT / "containers" / "Containerfile").read_text())
    assert wanted is not None
    names = {re.split(r"[\[>=]", line)[0] for line in requirements(wanted[1].split(","))}
    assert {"numpy", "fastapi", "sqlalchemy", "psycopg"} <= names
    assert "arpent" not in names, "it is installed from these sources"


def test_what_the_build_reads_is_not_ignored() -> None:
    ignored = (ROOT / ".containerignore").read_text().split()
    for name in ("pyproject.toml", "README.md", "LICENSE", "src", "web", "containers", "requirements/*.txt"):
        assert f"!{name}" in ignored
    assert "containers/.env" in ignored, "it holds secrets"
    assert (ROOT / ".dockerignore").read_text().split() == ignored, "the name by which docker knows it"


def test_a_variable_of_compose_is_told_and_no_setting() -> None:
    """The .env beside the file reaches arpent, too, which refuses an ARPENT_* that it does not know."""
    text = (ROOT / "containers" / "compose.yaml").read_text()
    used = set(re.findall(r"\$\{(\w+)", text))
    assert len(used) > 6
    assert [name for name in used if name.startswith("ARPENT_")] == []
    told = (ROOT / "docs" / "deployment.md").read_text()
    assert [name for name in sorted(used) if f"`{name}`" not in told] == []


def test_services_run_commands_without_rights() -> None:
    services = COMPOSE["services"]
    assert {name for service in services.values() for name in service.get("command", [])} <= COMMANDS
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
    started = {container["args"][0] for each in DEPLOYMENTS for container in containers_of(each)}
    assert started == {"serve", "work"} <= COMMANDS


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda each: each["metadata"]["name"])
def test_a_pod_forbids_itself_what_it_does_not_need(deployment: dict[str, Any]) -> None:
    assert refused_by_us(deployment) == []


def test_a_lack_is_noticed() -> None:
    pod = DEPLOYMENTS[0]["spec"]["template"]["spec"]
    root = {**pod["containers"][0]["securityContext"], "readOnlyRootFilesystem": False}
    open_pod = {**pod, "containers": [{**pod["containers"][0], "securityContext": root}]}
    assert refused_by_us({"spec": {"template": {"spec": open_pod}}}) == ["a read-only root"]


def test_no_secret_is_in_a_manifest() -> None:
    """Secrets exist already: the manifests name them."""
    assert [each for each in documents() if each["kind"] == "Secret"] == []
    named = {"arpent", "arpent-storage"}
    for each in DEPLOYMENTS:
        pod = each["spec"]["template"]["spec"]
        assert {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume} <= named
        assert {one["secretRef"]["name"] for one in pod["containers"][0]["envFrom"] if "secretRef" in one} <= named


def test_everything_in_the_folder_is_used() -> None:
    """Each file of a kustomization's folder is one of its resources."""
    for path in FOLDER.rglob("kustomization.yaml"):
        used = yaml.safe_load(path.read_text())
        beside = {other.name for other in path.parent.glob("*.yaml")} - {path.name}
        assert beside == {name for name in used["resources"] if not name.startswith("..")}
    assert len(OVERLAYS) == 2


def test_whoever_serves_beyond_this_machine_can_hand_out_tokens() -> None:
    """In a container every request comes from elsewhere."""
    server = COMPOSE["services"]["server"]
    assert server["environment"]["ARPENT_INSECURE_TRANSPORT"] == "true"
    for service in COMPOSE["services"].values():
        for port in service.get("ports", []):
            assert re.match(r"\$\{\w+:-127\.0\.0\.1:", port), "so this machine only"
    base = yaml.safe_load((FOLDER / "base" / "kustomization.yaml").read_text())
    assert "ARPENT_TRUST_FORWARDED=true" in base["configMapGenerator"][0]["literals"]


def test_probes_ask_what_is_there() -> None:
    (server,) = [each for each in DEPLOYMENTS if each["metadata"]["name"] == "arpent-server"]
    (container,) = server["spec"]["template"]["spec"]["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", (
        "not the database: a restart mends nothing there"
    )
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
