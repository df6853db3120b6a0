"""Kubernetes' manifests: rendered by kubectl, and each object checked against the schemas of its API (no cluster)."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.manifests import OVERLAYS, containers_of, refused_by_us

pytestmark = pytest.mark.services


@cache
def rendered(overlay: Path) -> tuple[dict[str, Any], ...]:
    if (kubectl := shutil.which("kubectl")) is None:
        pytest.skip("needs kubectl 1.21 or newer: install Debian's kubernetes-client (trixie or newer)")
    done = subprocess.run([kubectl, "kustomize", overlay], capture_output=True, text=True, check=False)
    if "must be a file" in done.stderr:
        pytest.skip("needs kubectl 1.21 or newer: this one is older, install that of Debian trixie or newer")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "deprecated fields are warned of"
    return tuple(yaml.safe_load_all(done.stdout))


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_every_object_is_as_its_api_wants_it(overlay: Path) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate: run `make test-services`")
    kinds = {each["kind"] for each in rendered(overlay)}
    assert {"Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy", "ConfigMap", "ServiceAccount"} <= kinds
    for manifest in rendered(overlay):
        validate.validate(manifest, "1.30", strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_the_checker_finds_a_field_that_does_not_exist(overlay: Path) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="needs kubernetes-validate: run `make test-services`")
    deployment = next(each for each in rendered(overlay) if each["kind"] == "Deployment")
    wrong = {**deployment, "spec": {**deployment["spec"], "replcias": 3}}
    with pytest.raises(validate.ValidationError):
        validate.validate(wrong, "1.30", strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_no_patch_takes_a_protection_away(overlay: Path) -> None:
    for manifest in rendered(overlay):
        if manifest["kind"] == "Deployment":
            assert refused_by_us(manifest) == []
            assert containers_of(manifest)


def test_selectors_meet_what_is_deployed() -> None:
    """Services, budgets, policies and the autoscaler point at pods and deployments that exist."""
    for overlay in OVERLAYS:
        objects = rendered(overlay)
        labels = [each["spec"]["template"]["metadata"]["labels"] for each in objects if each["kind"] == "Deployment"]
        chosen = [
            *(each["spec"]["selector"] for each in objects if each["kind"] == "Service"),
            *(each["spec"]["selector"]["matchLabels"] for each in objects if each["kind"] == "PodDisruptionBudget"),
            *(each["spec"]["podSelector"]["matchLabels"] for each in objects if each["kind"] == "NetworkPolicy"),
        ]
        for one in chosen:
            assert any(one.items() <= each.items() for each in labels), one
        names = {each["metadata"]["name"] for each in objects if each["kind"] == "Deployment"}
        for each in objects:
            if each["kind"] == "HorizontalPodAutoscaler":
                assert each["spec"]["scaleTargetRef"]["name"] in names
                (target,) = [other for other in objects if other["metadata"]["name"] == "arpent-runner"
                             and other["kind"] == "Deployment"]  # fmt: skip
                assert "replicas" not in target["spec"], "the autoscaler's"
