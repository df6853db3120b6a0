"""Citations lead somewhere: sections of the page about the real service, and every page that a file names."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "sentinelhub.md"
NUMBER = r"\d+(?:\.\d+)?"
CITED = re.compile(rf"sentinelhub\.md ({NUMBER}(?:(?:, | and | to |–){NUMBER})*)(?:, step (\d+))?")
"""One form for all: `sentinelhub.md 4.2`, `sentinelhub.md 2.2, 5.2`, `sentinelhub.md 4.2, step 3`."""
BARE = re.compile(rf"sentinelhub\.md(?! {NUMBER})")
HEADING = re.compile(rf"^##+ ({NUMBER})[. ]")
POINT = re.compile(r"^(\d+)\. ")
CODE = (".py", ".js", ".toml", ".json")
OF_THE_SITE = ("mkdocs.yml", "release/site_pages.py")
"""They name pages of the site, some of which are made; tests/architecture/test_release.py knows them."""
BREAK = re.compile(r"\n\s*(?:#|//|\*)? *")
NAMED = re.compile(r"(?<![\w/.:-])[\w./-]*\w\.md\b")
"""A page in the running text, with its path or without; not the end of a URL."""
DECISION = re.compile(r"docs/adr/\d{4}\b(?!-)")


def sections(page: str) -> set[str]:
    """Numbers of its headings, and of the points below them: point 2 of section 8 is 8.2, point 3 of 4.2 is 4.2.3."""
    found, current = set(), ""
    for line in page.splitlines():
        if heading := HEADING.match(line):
            current = heading[1]
            found.add(current)
        elif point := POINT.match(line):
            found.add(f"{current}.{point[1]}")
    return found


def citations(text: str) -> set[str]:
    """Every section that a text cites; a citation may go on in the next line."""
    found = set()
    for numbers, step in CITED.findall(BREAK.sub(" ", text)):
        each = re.findall(NUMBER, numbers)
        found |= {*each, *([f"{each[-1]}.{step}"] if step else [])}
    return found


@pytest.fixture(scope="module")
def tracked() -> dict[str, str]:
    """Path → content of every text file under version control, this one left out."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    return {
        name: (ROOT / name).read_text(errors="replace") for name in names if ROOT / name != Path(__file__).resolve()
    }


def test_every_section_cited_exists(tracked: dict[str, str]) -> None:
    known = sections(PAGE.read_text())
    cited = {(name, number) for name, text in tracked.items() for number in citations(text)}
    assert cited
    assert sorted((name, number) for name, number in cited if number not in known) == []


def test_code_cites_a_section_and_not_the_whole_page(tracked: dict[str, str]) -> None:
    code = {name: BREAK.sub(" ", text) for name, text in tracked.items() if name.endswith(CODE)}
    assert sorted(name for name, text in code.items() if BARE.search(text)) == []


def test_every_page_that_is_named_is_in_the_tree(tracked: dict[str, str]) -> None:
    pages = {Path(name).name for name in tracked if name.endswith(".md")}
    missing = []
    for name, text in tracked.items():
        for page in NAMED.findall(text) if name not in OF_THE_SITE else ():
            places = (ROOT / page, (ROOT / name).parent / page)
            if not any(place.is_file() for place in places) and ("/" in page or page not in pages):
                missing.append(f"{name}: {page}")
        decisions = {decision for decision in DECISION.findall(text) if not list(ROOT.glob(f"{decision}-*.md"))}
        missing += [f"{name}: {decision}" for decision in sorted(decisions)]
    assert missing == []


def test_what_leads_nowhere_is_noticed() -> None:
    page = "## 4. Grid\n### 4.2 Pixels\n1. Map.\n2. Cut.\n## 8. Users\n1. a\n2. b\n"
    assert sections(page) == {"4", "4.2", "4.2.1", "4.2.2", "8", "8.1", "8.2"}
    assert citations("(sentinelhub.md 4.2, step 3)") == {"4.2", "4.2.3"}
    assert citations("as (sentinelhub.md 2.3,\n    # 8.2) and sentinelhub.md\n    7: 0") == {"2.3", "8.2", "7"}
    assert citations("(sentinelhub.md 1.2–1.5), sentinelhub.md 3.1 to 3.3.") == {"1.2", "1.5", "3.1", "3.3"}
    assert BARE.search("see docs/reference/sentinelhub.md.")
