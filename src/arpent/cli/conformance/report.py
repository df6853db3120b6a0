"""Report: the outcomes of the checks as lines, as Markdown and as a self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from arpent.cli.conformance.check import CheckOutcome, Verdict
from arpent.domain.errors import InvalidRequest

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;"
    "border-bottom:1px solid #ddd}code{font-size:.9em}.passed{color:#14661f}.failed{color:#a11212;font-weight:600}"
    ".not-checked{color:#6b5200}"
)
UNABLE = (
    "What no suite can see from outside, and what is therefore checked nowhere: how secrets are kept, what is charged "
    "for batch requests, waiting times after a stop, deletion of old requests, failures inside the service."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All outcomes for one server."""

    url: str
    version: str
    """Version of arpent that ran the checks."""
    when: str
    """Time of the run in UTC, ISO 8601."""
    outcomes: Sequence[CheckOutcome]

    def count(self, verdict: Verdict) -> int:
        """The number of checks with this verdict."""
        return sum(each.verdict is verdict for each in self.outcomes)

    @property
    def summary(self) -> str:
        """One sentence with the number of checks per verdict."""
        counts = ", ".join(f"{self.count(verdict)} {verdict.value}" for verdict in Verdict)
        return f"{self.url}: {counts}"

    @property
    def as_json(self) -> dict[str, object]:
        """The whole report as JSON fields."""
        counts = {"passed": Verdict.PASSED, "failed": Verdict.FAILED, "notChecked": Verdict.NOT_CHECKED}
        return {
            "url": self.url,
            "version": self.version,
            "when": self.when,
            **{name: self.count(verdict) for name, verdict in counts.items()},
            "checks": [each.as_json for each in self.outcomes],
        }

    @property
    def as_markdown(self) -> str:
        """A page of Markdown with one table."""
        rows = [
            f"| `{each.name}` | {each.verdict.value} | {_cell(each.title)} | {_cell(each.words)} | {each.section} |"
            for each in self.outcomes
        ]
        return "\n".join(
            [
                f"# Conformance of {self.url}",
                "",
                f"arpent {self.version}, {self.when}. {self.summary}.",
                "",
                "| check | verdict | what must hold | what was found | section |",
                "|---|---|---|---|---|",
                *rows,
                "",
                UNABLE,
                "",
            ]
        )

    @property
    def as_html(self) -> str:
        """A page of HTML with one table and its style embedded."""
        rows = "\n".join(
            f'<tr><td><code>{escape(each.name)}</code></td><td class="{each.verdict.value.replace(" ", "-")}">'
            f"{each.verdict.value}</td><td>{escape(each.title)}</td><td>{escape(each.words)}</td>"
            f"<td>{each.section}</td></tr>"
            for each in self.outcomes
        )
        title = f"Conformance of {escape(self.url)}"
        return (
            f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>\n'
            f"<h1>{title}</h1>\n<p>arpent {self.version}, {self.when}. {escape(self.summary)}.</p>\n<table>\n"
            "<tr><th>check</th><th>verdict</th><th>what must hold</th><th>what was found</th><th>section</th></tr>\n"
            f"{rows}\n</table>\n<p>{UNABLE}</p>\n</html>\n"
        )

    def write(self, path: Path) -> None:
        """Write the page in the format that the ending of the file's name selects (see `check_ending`)."""
        path.write_text(self.as_html if path.suffix in HTML else self.as_markdown, encoding="utf-8")


HTML, MARKDOWN = (".html", ".htm"), (".md",)


def check_ending(path: Path | None) -> None:
    """Raise InvalidRequest unless the name ends in .html, .htm or .md."""
    if path is not None and path.suffix not in HTML + MARKDOWN:
        raise InvalidRequest(f"--report {path} must end in {', '.join(HTML + MARKDOWN)}")


def line(outcome: CheckOutcome) -> str:
    """One outcome as a line of text."""
    words = f": {outcome.words}" if outcome.words else ""
    return f"{outcome.verdict.value:<12}{outcome.name}{words}"


def _cell(text: str) -> str:
    """The text escaped for a table in Markdown, where HTML tags would vanish."""
    return escape(text, quote=False).replace("|", "\\|").replace("`", "'")
