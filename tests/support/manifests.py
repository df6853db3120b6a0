"""Manifests for Kubernetes: what they deploy, and what every pod of ours must forbid itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "containers" / "kubernetes"
OVERLAYS = sorted((FOLDER / "overlays").iterdir())
WRITABLE = {"/tmp", "/var/cache/arpent", "/var/lib/arpent"}
"""Folders that a pod may write to: no image may need others."""


def documents() -> list[dict[str, Any]]:
    """Every object of the base and what is beside it, unpatched."""
    paths = [path for path in sorted(FOLDER.rglob("*.yaml")) if path.name != "kustomization.yaml"]
    return [each for path in paths for each in yaml.safe_load_all(path.read_text())]


def containers_of(deployment: dict[str, Any]) -> list[dict[str, Any]]:
    return list(deployment["spec"]["template"]["spec"]["containers"])


def refused_by_us(deployment: dict[str, Any]) -> list[str]:
    """What a deployment lacks of what we want of each."""
    pod = deployment["spec"]["template"]["spec"]
    wanted = {
        "no token of the cluster": pod.get("automountServiceAccountToken") is False,
        "no variables of services": pod.get("enableServiceLinks") is False,
        "not root": pod["securityContext"].get("runAsNonRoot") is True and pod["securityContext"]["runAsUser"] > 0,
        "seccomp": pod["securityContext"].get("seccompProfile") == {"type": "RuntimeDefault"},
        "time to give work back": pod["terminationGracePeriodSeconds"] >= 30,
    }
    kinds = {volume["name"]: set(volume) - {"name"} for volume in pod["volumes"]}
    for container in containers_of(deployment):
        context = container["securityContext"]
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        wanted |= {
            "a read-only root": context.get("readOnlyRootFilesystem") is True,
            "no privileges": context.get("allowPrivilegeEscalation") is False,
            "no capabilities": context.get("capabilities") == {"drop": ["ALL"]},
            "a memory limit": "memory" in container["resources"]["limits"],
            "writable folders": {path for path, mount in mounts.items() if not mount.get("readOnly")} == WRITABLE,
            "nothing of the node": all(kinds[mount["name"]] <= {"emptyDir", "secret"} for mount in mounts.values()),
        }
    return [name for name, fulfilled in wanted.items() if not fulfilled]
