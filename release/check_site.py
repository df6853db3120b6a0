"""Check a built site: `python release/check_site.py dist/site`: every link and file that a page names is there, and
nothing is loaded from another host."""

from __future__ import annotations

import posixpath
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src"}
"""Element → attribute of what a browser loads with the page."""


class Named(HTMLParser):
    """What a page loads, what it links to, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value}
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        if tag == "link" and found.get("rel") in ("canonical", "next", "prev", "edit"):
            return
        if tag in LOADED and LOADED[tag] in found:
            self.loaded.append(found[LOADED[tag]])
        if tag == "a" and "href" in found:
            self.linked.append(found["href"])


def faults(site: Path) -> Iterator[str]:
    """What is wrong, one line each."""
    pages = {}
    for path in sorted(site.rglob("*.html")):
        pages[path] = Named()
        pages[path].feed(path.read_text(encoding="utf-8"))
    for path, page in pages.items():
        name = path.relative_to(site)
        for target in page.loaded:
            if urlsplit(target).netloc:
                yield f"{name} loads {target} from another host"
        if name.name == "404.html":
            continue  # its addresses are absolute
        for target in [*page.loaded, *page.linked]:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            to = (
                site / posixpath.normpath(posixpath.join(name.parent.as_posix(), unquote(parts.path)))
                if parts.path
                else path
            )
            to = to / "index.html" if to.is_dir() else to
            if not to.exists():
                yield f"{name} leads to {target}, which is not there"
            elif parts.fragment and to in pages and unquote(parts.fragment) not in pages[to].anchors:
                yield f"{name} leads to {target}, whose anchor is not there"
    for path in site.rglob("*.css"):
        if "fonts.g" in path.read_text(encoding="utf-8", errors="replace"):
            yield f"{path.name} names a host of fonts"


if __name__ == "__main__":
    found = list(faults(Path(sys.argv[1])))
    print("\n".join(found) or "The site is whole.")
    sys.exit(bool(found))
