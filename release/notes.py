"""Notes of a release: `python release/notes.py v0.1.0` prints what CHANGELOG.md says of that version; it fails if the
package has another one."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def version() -> str:
    """The version of the package."""
    text = (ROOT / "src" / "arpent" / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    assert found is not None
    return found[1]


def notes(changelog: str, wanted: str) -> str | None:
    """The section of a version, without its heading; None if there is none."""
    found = re.search(rf"^## \[?{re.escape(wanted)}\]?[^\n]*\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return found[1].strip() + "\n" if found and found[1].strip() else None


def main(tag: str) -> str:
    """The notes for a tag. Raises SystemExit with what is wrong."""
    wanted = tag.removeprefix("v")
    if wanted != version():
        sys.exit(f"the tag is {tag}, but the package has the version {version()}")
    text = notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), wanted)
    if text is None:
        sys.exit(f"CHANGELOG.md has no section ## [{wanted}]")
    return text


if __name__ == "__main__":
    print(main(sys.argv[1]), end="")
