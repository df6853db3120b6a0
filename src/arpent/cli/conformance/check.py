"""Check: one thing that a server must do, and the outcome of checking it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, TypeGuard

from arpent.cli.conformance.target import Target

LONGEST = 600
"""Maximum characters of an outcome's message."""


class Failed(Exception):
    """The server did not do what it must; the text says what was expected and what was received."""


class NotChecked(Exception):
    """The check cannot judge this server; the text says why, and what would help."""


class Verdict(Enum):
    """The result of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that a server must do."""

    name: str
    """Group and subject, such as token.form."""
    title: str
    """A sentence that says what must hold."""
    section: str
    """Section of the page about the real service (in docs/reference) that says so."""
    run: Callable[[Target], None]
    """Performs the check. Raises Failed or NotChecked; any other exception counts as a failure, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """The outcome of one check."""

    name: str
    title: str
    section: str
    verdict: Verdict
    words: str
    """Why it failed or was not checked; empty if it passed."""

    @property
    def as_json(self) -> dict[str, Any]:
        """The outcome as JSON fields."""
        return asdict(self) | {"verdict": self.verdict.value}


class Checks:
    """The checks of one group, in the order in which they are written."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._checks: list[Check] = []

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks)

    def add(self, section: str) -> Callable[[Callable[[Target], None]], Callable[[Target], None]]:
        """A decorator that adds a check: the function's name becomes its name, the docstring its title."""

        def added(run: Callable[[Target], None]) -> Callable[[Target], None]:
            title = " ".join((inspect.getdoc(run) or "").split())
            self._checks.append(Check(name=f"{self._group}.{run.__name__}", title=title, section=section, run=run))
            return run

        return added


def outcomes(checks: Iterable[Check], target: Target) -> Iterator[CheckOutcome]:
    """Run the checks one after another. The messages contain no secret of the target."""
    for check in checks:
        verdict, words = Verdict.PASSED, ""
        try:
            check.run(target)
        except NotChecked as reason:
            verdict, words = Verdict.NOT_CHECKED, str(reason)
        except Failed as fault:
            verdict, words = Verdict.FAILED, str(fault)
        except Exception as error:  # if a wrong answer breaks a check, the server is at fault
            verdict, words = Verdict.FAILED, f"the answer cannot be used: {type(error).__name__}: {error}"
        words = target.without_secrets(" ".join(words.split()))[:LONGEST]
        yield CheckOutcome(name=check.name, title=check.title, section=check.section, verdict=verdict, words=words)


def expect(condition: object, words: str) -> None:
    """Raise Failed with these words unless the condition holds."""
    if not condition:
        raise Failed(words)


def equal(what: str, found: object, wanted: object) -> None:
    """Raise Failed unless both are equal. Booleans equal only booleans: 1 is not True."""
    if found != wanted or isinstance(found, bool) is not isinstance(wanted, bool):
        raise Failed(f"{what} is {found!r}, but must be {wanted!r}")


def is_number(found: object) -> TypeGuard[float]:
    """Whether the value is a number in JSON; true and false are not."""
    return isinstance(found, int | float) and not isinstance(found, bool)


def close(what: str, found: object, wanted: float, tolerance: float = 1e-9) -> None:
    """Raise Failed unless the number equals the wanted one, apart from rounding (relative, or absolute near 0)."""
    if not is_number(found) or abs(found - wanted) > tolerance * max(1.0, abs(wanted)):
        raise Failed(f"{what} is {found!r}, but must be {wanted!r}")
