"""Pages of the site that lie outside docs/: those at the root of the repository, and the list of decisions; and links
that lead out of docs/, which become pages of the site, or plain names of files of the repository."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "SECURITY.md": "security.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CODE_OF_CONDUCT.md": "conduct.md",
    "CHANGELOG.md": "changelog.md",
    "README.md": "index.md",
    "docs/adr": "adr/index.md",
}
"""File of the repository → page of the site; README's place is taken by docs/index.md."""
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the root, and the list of decisions."""
    for source, page in PAGES.items():
        if (ROOT / source).is_file() and page != "index.md":
            text = moved((ROOT / source).read_text(encoding="utf-8"), "", page)
            files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, "adr/index.md", content=_decisions()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turn links that lead out of docs/."""
    if page.file.generated_by:
        return markdown
    source = page.file.src_uri
    return moved(markdown, posixpath.join("docs", posixpath.dirname(source)), source)


def moved(text: str, folder: str, page: str) -> str:
    """The text, which lies in `folder` of the repository, with links as the site's `page` needs them."""

    def link(found: re.Match[str]) -> str:
        words, target, anchor = found[1], found[2], found[3] or ""
        path = posixpath.normpath(posixpath.join(folder, target))
        inside = PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if inside is None:
            return words if f"`{path}`" in words else f"{words} (`{path}` of the repository)"
        return f"[{words}]({posixpath.relpath(inside, posixpath.dirname(page) or '.')}{anchor})"

    return LINK.sub(link, text)


def _decisions() -> str:
    """The list of decisions with their titles."""
    lines = ["# Decisions", "", "Decisions that could have gone another way, each with what else was tried.", ""]
    for path in sorted((ROOT / "docs" / "adr").glob("*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
        lines.append(f"* [{title}]({path.name})")
    return "\n".join([*lines, ""])
