"""CI runs what there is: targets of the Makefile, by `.ci/run`, on every Python that the package names."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")


def matrix() -> list[dict[str, str]]:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    return workflow["jobs"]["test"]["strategy"]["matrix"]["include"]


def test_every_target_exists() -> None:
    (line,) = re.findall(r"^ *set -- (.*)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    named = {target for row in matrix() for target in row["targets"].split()}
    assert set(line.split()) <= named <= TARGETS


def test_every_python_is_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {text.rpartition(" ")[2] for text in project["classifiers"] if re.search(r"Python :: 3\.\d+$", text)}
    assert {row["python"] for row in matrix()} == named


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_a_form_asks_for_something(form: Path) -> None:
    """Valid for GitHub, which does not show a form with an unknown type or a double id."""
    read = yaml.safe_load(form.read_text())
    assert read.keys() == {"name", "description", "labels", "body"}
    fields = [each for each in read["body"] if each["type"] != "markdown"]
    assert {each["type"] for each in fields} <= {"input", "textarea", "dropdown", "checkboxes"}
    assert len({each["id"] for each in fields}) == len(fields)
    assert all(each["attributes"]["label"] for each in fields)
    assert any(each.get("validations", {}).get("required") for each in fields)
