"""What is released: extras and who asks for them, packages and what they hold, the site, licences, notes, workflow."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from arpent.cli.guard import EXTRAS, MISUSE, line_and_code

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "arpent"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
COME_ALONG = {
    "click": "typer", "h11": "uvicorn", "starlette": "fastapi", "oauthlib": "requests-oauthlib", "dask": "distributed",
    "pydantic-core": "pydantic", "opentelemetry-api": "opentelemetry-sdk",
}  # fmt: skip
"""Package that is imported → the one of ours that cannot be without it."""


def script(name: str) -> ModuleType:
    """A script of release/ as a module."""
    spec = importlib.util.spec_from_file_location(f"release_{name}", ROOT / "release" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


PLAIN = names(PROJECT["dependencies"])
OF_EXTRA = {extra: names(wanted) for extra, wanted in PROJECT["optional-dependencies"].items()}


def imported() -> set[str]:
    """Top-level modules of others that the package imports."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"arpent"}


def test_every_import_is_in_a_plain_install_or_names_its_extra() -> None:
    homes = packages_distributions()
    missing = []
    for module in imported() - {"hatchling"}:
        packages = {canonicalize_name(name) for name in homes.get(module, [module])}
        packages |= {COME_ALONG[name] for name in packages if name in COME_ALONG}
        wanted = OF_EXTRA[EXTRAS[module]] if module in EXTRAS else PLAIN
        if not packages & wanted:
            missing.append(f"{module} of {sorted(packages)}")
    assert missing == []


def test_a_command_that_lacks_an_extra_says_which() -> None:
    error = ModuleNotFoundError("No module named 'sqlalchemy'", name="sqlalchemy.orm")
    assert line_and_code(error) == (
        "this command needs sqlalchemy.orm, which is not installed: pip install 'arpent[server]'", MISUSE,
    )  # fmt: skip
    assert "unexpected" in line_and_code(ModuleNotFoundError("No module named 'x'", name="x"))[0]


def test_the_page_of_installation_lists_the_extras() -> None:
    page = (ROOT / "docs" / "installation.md").read_text()
    assert set(re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE)) == set(OF_EXTRA)


def test_what_a_package_lacks_or_has_too_much_is_noticed() -> None:
    checks = script("check_package")
    modules = [path.relative_to(ROOT / "src").as_posix() for path in SOURCE.rglob("*.py")]
    others = [
        path.relative_to(ROOT / "src").as_posix() for path in SOURCE.rglob("*.*") if path.suffix in (".js", ".toml")
    ]
    built = [
        f"arpent/server/page/built/{name}"
        for name in ("index.html", "docs.html", "assets/page-1.js", "assets/licences.txt")
    ]
    others = [name for name in others if "/built/" not in name]
    info = [f"arpent-1.0.dist-info/{name}" for name in ("entry_points.txt", "licenses/LICENSE")]
    whole = [*modules, *others, *built, *info, "arpent/py.typed"]
    assert list(checks.faults_of_wheel(whole, modules)) == []
    for name in ("arpent/py.typed", built[0], "arpent/adapters/collections/sentinel-2-l2a.toml", "arpent/worker.py"):
        assert list(checks.faults_of_wheel(set(whole) - {name}, modules)), name
    for name in ("tests/conftest.py", "arpent/arpent.db", "arpent/evalscript/compile/notes.txt"):
        assert list(checks.faults_of_wheel([*whole, name], modules)) == [f"the wheel holds {name}"]
    assert list(checks.faults_of_sdist([*checks.SOURCES, ".venv/bin/x"])) == ["the sdist holds .venv/bin/x"]
    assert list(checks.faults_of_sdist(checks.SOURCES[1:])) == [f"the sdist lacks {checks.SOURCES[0]}"]


def test_every_page_is_in_the_site() -> None:
    text = (ROOT / "mkdocs.yml").read_text()
    named = re.findall(r"[\w/-]+\.md", text.partition("nav:")[2])
    listed = set(named)
    assert len(named) == len(listed), "a page is there twice"
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    made = set(script_pages().values()) - {"index.md"}
    assert {page for page in pages - listed if not page.startswith("adr/")} == set()
    assert listed - pages - made == set()
    assert "font: false" in text, "fonts come from another host"


def script_pages() -> dict[str, str]:
    tree = ast.parse((ROOT / "release" / "site_pages.py").read_text())
    (found,) = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PAGES"
    ]
    pages: dict[str, str] = ast.literal_eval(found)
    return pages


def test_a_fault_of_the_site_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<a href="b.html#x">b</a><img src="p.png"><script src="https://far.test/x.js"></script>'
    )
    (tmp_path / "b.html").write_text("<h1 id='y'>b</h1>")
    found = "\n".join(script("check_site").faults(tmp_path))
    assert [word in found for word in ("far.test", "p.png, which", "b.html#x, whose anchor")] == [True] * 3
    assert len(found.splitlines()) == 3


def test_the_licences_are_those_of_what_is_pinned() -> None:
    """Every package that is shipped is listed, of the page too, and none is under a licence that binds what uses it."""
    page = (ROOT / "docs" / "licences.md").read_text()
    listed = dict(re.findall(r"^\| ([\w@/.-]+) \| (.+) \|$", page, re.MULTILINE))
    pinned = set(re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "run.txt").read_text(), re.MULTILINE))
    windows = {"colorama", "tzdata", "greenlet"}
    assert pinned - windows - set(listed) == set()
    packages = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
    shipped = {path.rpartition("node_modules/")[2] for path, entry in packages.items() if path and not entry.get("dev")}
    assert {
        name for name in shipped if name not in listed and "devOptional" not in packages[f"node_modules/{name}"]
    } == set()
    assert [name for name, text in listed.items() if re.search(r"\bA?GPL", text)] == []
    assert set().union(*OF_EXTRA.values()) - {"arpent"} - set(listed) == set(), "those of every extra, too"


def test_the_bill_of_materials_has_every_extra() -> None:
    (extras,) = re.findall(r"\.whl\)\[([a-z,]+)\]", (ROOT / "Makefile").read_text())
    assert set(extras.split(",")) == set(OF_EXTRA)


def test_the_notes_of_a_version() -> None:
    notes = script("notes")
    text = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-01-01\n### Added\n- x\n\n## [1.1.0]\n- y\n"
    assert notes.notes(text, "1.2.0") == "### Added\n- x\n"
    assert notes.notes(text, "1.1.0") == "- y\n"
    assert (notes.notes(text, "Unreleased"), notes.notes(text, "3.0.0")) == (None, None)
    with pytest.raises(SystemExit, match="the package has the version"):
        notes.main("v0.0.0")


def test_the_workflow_runs_what_there_is() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    steps = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    text = "\n".join(steps)
    assert {word for line in re.findall(r"(?:make|\.ci/run) ([a-z -]+)", text) for word in line.split()} <= TARGETS
    assert [path for path in re.findall(r"release/[\w.]+", text) if not (ROOT / path).is_file()] == []
    assert {job for each in workflow["jobs"].values() for job in _needs(each)} <= set(workflow["jobs"])


def _needs(job: dict[str, object]) -> list[str]:
    wanted = job.get("needs", [])
    return [wanted] if isinstance(wanted, str) else list(wanted)  # type: ignore[call-overload]
