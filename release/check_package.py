"""Check built packages: `python release/check_package.py dist`: they hold what they must, and nothing else."""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

NEEDED = (
    r"arpent/py\.typed", r"arpent/server/page/built/index\.html", r"arpent/server/page/built/docs\.html",
    r"arpent/server/page/built/assets/page-\w+\.js", r"arpent/server/page/built/assets/licences\.txt",
    r"arpent/adapters/collections/sentinel-2-l2a\.toml", r"arpent/adapters/sources/presets\.toml",
    r"arpent/adapters/database/migrations/env\.py", r"arpent/adapters/database/migrations/versions/0001_\w+\.py",
    r"arpent/evalscript/engine\.js", r"arpent/evalscript/prelude\.js",
    r"arpent-[\w.]+\.dist-info/entry_points\.txt", r"arpent-[\w.]+\.dist-info/licenses/LICENSE",
)  # fmt: skip
"""Files of the wheel, as patterns of their whole names."""
ALLOWED = re.compile(
    r"arpent/[\w/.-]+\.(py|pyi|js|toml|typed)|arpent/py\.typed|arpent/server/page/built/[\w/.-]+"
    r"|arpent-[\w.]+\.dist-info/.+"
)
"""Everything that a wheel may hold."""
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "src/arpent/py.typed", "web/build.py", "web/package-lock.json")
"""Files of the sdist that a wheel is built from."""
FOREIGN = re.compile(r"(^|/)(\.venv|node_modules|__pycache__|dist|\.git)/|\.(pyc|db|tif|gpkg)$")


def faults_of_wheel(names: Iterable[str], modules: Iterable[str]) -> Iterator[str]:
    """What is wrong with a wheel of these files. `modules`: Python files of the package, from its root."""
    held = set(names)
    for pattern in NEEDED:
        if not any(re.fullmatch(pattern, name) for name in held):
            yield f"the wheel lacks {pattern}"
    yield from (f"the wheel lacks {name}" for name in sorted(set(modules) - held))
    yield from (f"the wheel holds {name}" for name in sorted(held) if not ALLOWED.fullmatch(name))


def faults_of_sdist(names: Iterable[str]) -> Iterator[str]:
    """What is wrong with an sdist of these files, their names without the first folder."""
    held = set(names)
    yield from (f"the sdist lacks {name}" for name in SOURCES if name not in held)
    yield from (f"the sdist holds {name}" for name in sorted(held) if FOREIGN.search(name))


def main(folder: Path) -> list[str]:
    """All faults of the packages in a folder."""
    source = Path(__file__).resolve().parents[1] / "src"
    modules = [path.relative_to(source).as_posix() for path in (source / "arpent").rglob("*.py")]
    wheels, sdists = sorted(folder.glob("*.whl")), sorted(folder.glob("*.tar.gz"))
    if not wheels or not sdists:
        return [f"{folder} holds {len(wheels)} wheels and {len(sdists)} sdists"]
    found = []
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            found += faults_of_wheel(archive.namelist(), modules)
    for sdist in sdists:
        with tarfile.open(sdist) as tar:
            found += faults_of_sdist(member.name.partition("/")[2] for member in tar.getmembers() if member.isfile())
    return found


if __name__ == "__main__":
    faults = main(Path(sys.argv[1]))
    print("\n".join(faults) or "The packages hold what they must.")
    sys.exit(bool(faults))
