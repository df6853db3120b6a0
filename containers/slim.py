"""Slim: what the image's build asks of Python.

`slim.py requirements EXTRAS`: the dependencies of pyproject.toml and these extras (names between commas), one a line.
`slim.py packages VENV`: take out of an environment what no program runs: pip, tests, headers, debugging symbols, and
libraries of Arrow that arpent does not load.
"""

from __future__ import annotations

import compileall
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

FOLDERS = ("pip", "pip-*", "setuptools", "setuptools-*", "_distutils_hack", "pkg_resources")
"""Folders of the environment's packages that only install others."""
INNER = ("tests", "testing/tests", "include", "includes")
"""Folders within packages."""
FILES = (
    "pyarrow/libarrow_flight*", "pyarrow/libarrow_python_flight*", "pyarrow/_flight*", "pyarrow/libarrow_s3*",
    "pyarrow/_s3fs*", "**/*.pyx", "**/*.pxd", "**/*.a", "**/*.h",
    "**/*.hpp", "distutils-precedence.pth",
)  # fmt: skip
LARGE = 1 << 17
"""Bytes above which a library is stripped: some wheels are not, the largest ones among them."""


def requirements(extras: list[str]) -> list[str]:
    """The requirements of the project in the working directory, with these extras. Raises KeyError for an unknown
    one."""
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    found = list(project["dependencies"])
    for extra in extras:
        for line in project["optional-dependencies"][extra]:
            own = re.fullmatch(rf"{project['name']}\[(.*)\]", line)  # an extra that stands on others
            found += requirements(own[1].split(",")) if own else [line]
    return list(dict.fromkeys(found))


def slim(packages: Path) -> None:
    """Take away what is not run, strip the rest, and compile it to bytecode."""
    before = size(packages)
    for pattern in FOLDERS:
        for path in packages.glob(pattern):
            shutil.rmtree(path)
    for name in INNER:
        for path in [path for path in packages.rglob(name) if path.is_dir()]:
            shutil.rmtree(path, ignore_errors=True)
    for pattern in FILES:
        for path in packages.glob(pattern):
            path.unlink()
    for path in [*packages.rglob("*.so"), *packages.rglob("*.so.*")]:
        if not path.is_symlink() and path.stat().st_size > LARGE and not is_patched(packages, path):
            subprocess.run(["strip", "--strip-unneeded", path], check=True)
    compileall.compile_dir(packages, quiet=1, workers=0)
    print(f"{before >> 20} MB before, {size(packages) >> 20} MB after, with bytecode")


def is_patched(packages: Path, library: Path) -> bool:
    """Whether the wheel brings libraries of its own in NAME.libs: their headers were patched, and strip breaks them."""
    name = library.relative_to(packages).parts[0]
    return name.endswith(".libs") or (packages / f"{name}.libs").exists()


def size(folder: Path) -> int:
    """Bytes of all files below."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    """As the file says."""
    what, argument = sys.argv[1:]
    if what == "requirements":
        print("\n".join(requirements([extra for extra in argument.split(",") if extra])))
    else:
        slim(next(Path(argument).glob("lib/python3*/site-packages")))


if __name__ == "__main__":
    main()
