"""Commands and links in the prose are real: make targets, `arpent` verbs and their options, files."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from arpent.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "tests").rglob("*.md"))]
SHELL_BLOCK = re.compile(r"^```(?:sh|bash|shell|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:make|arpent) [^`]+)`")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
ASSIGNMENT = re.compile(r"[A-Z_]+=.*")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands(page: Path) -> Iterator[list[str]]:
    """`make …` and `arpent …` as argument lists, without leading assignments."""
    text = page.read_text()
    lines = [line for block in SHELL_BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    for line in [*lines, *INLINE.findall(text)]:
        for part in re.split(r"&&|\||;", line.removeprefix("$ ")):
            words = shlex.split(part, comments=True)
            while words and ASSIGNMENT.fullmatch(words[0]):
                words.pop(0)
            if words and words[0] in ("make", "arpent"):
                yield words


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wanted = {words[1] for words in commands(page) if words[0] == "make" and len(words) == 2}
    assert wanted - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_arpent_understands(page: Path) -> None:
    """Verbs and options are known; nothing is run."""
    for words in commands(page):
        if words[0] == "arpent":
            assert wrong_with(words[1:]) is None, f"{' '.join(words)}: {wrong_with(words[1:])}"


def wrong_with(words: list[str]) -> str | None:
    """What the command line would complain about; None if it would not."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "commands"):
        if not rest or rest[0] not in command.commands:
            return f"no command {rest[:1]}"
        command = command.commands[rest.pop(0)]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    unknown = [word for word in rest if word.startswith("-") and word.partition("=")[0] not in known]
    return f"no option {unknown}" if unknown else None


def test_what_is_not_there_is_noticed() -> None:
    assert wrong_with(["client", "add", "me", "--json"]) is None
    assert wrong_with(["client", "subtract", "me"]) is not None
    assert wrong_with(["serve", "--fast"]) is not None


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    missing = [target for target in LINK.findall(page.read_text()) if not (page.parent / target).exists()]
    assert missing == []


TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
CELLS = re.compile(r"(?<!\\)\|")
"""What parts cells; a bar within a cell is written with a backslash."""
GARBLED = re.compile(r"\S {2,}\S|\d, 0{3}\b|<= ?\d")
"""Columns of another table pasted into a cell, numbers cut in two, conditions of a report."""


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in CELLS.split(re.sub(r"`[^`]*`", "``", row).strip().strip("|"))]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_tables_are_whole(page: Path) -> None:
    """Each row has as many cells as its table's head, and no cell holds a piece of another table."""
    for table in TABLE.findall(page.read_text()):
        head, *rows = table.splitlines()
        assert [row for row in rows if len(cells(row)) != len(cells(head))] == []
        assert [cell for row in rows for cell in cells(row) if GARBLED.search(cell)] == []


def test_no_page_denies_what_the_reader_reads() -> None:
    """tests/parity/test_reading.py reads JPEG 2000; docs/adr/0004-reader.md says by whom."""
    assert [named(page) for page in PAGES if re.search(r"[Nn]ot[^.|]{0,40}JPEG 2000", page.read_text())] == []
    assert "JPEG 2000" in (ROOT / "docs" / "collections.md").read_text()
