"""Check: one thing that a server must do, and the outcome of testing it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, TypeGuard

from arpent.cli.conformance.target import Target

LONGEST = 600
"""Characters of an outcome's words."""


class Failed(Exception):
    """The server did something else than it must; the text says what was expected and what came."""


class NotChecked(Exception):
    """Nothing can be said about this server; the text says why, and what would help."""


class Verdict(Enum):
    """What came of a check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that a server must do."""

    name: str
    """Group and thing: token.form."""
    title: str
    """A sentence about what must hold."""
    section: str
    """Section of the page about the real service (in docs/reference) that says so."""
    run: Callable[[Target], None]
    """Tries it. Raises Failed or NotChecked; any other exception is a failure, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """What came of one check."""

    name: str
    title: str
    section: str
    verdict: Verdict
    words: str
    """Why it failed or was not checked; empty if it passed."""

    @property
    def as_json(self) -> dict[str, Any]:
        """The fields as JSON has them."""
        return asdict(self) | {"verdict": self.verdict.value}


class Checks:
    """The checks of one group, in the order in which they are written."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._checks: list[Check] = []

    def __iter__(self) -> Iterator[Check]:
        return iter(self._checks)

    def add(self, section: str) -> Callable[[Callable[[Target], None]], Callable[[Target], None]]:
        """A decorator: the function's name is the check's name, its docstring the title."""

        def added(run: Callable[[Target], None]) -> Callable[[Target], None]:
            title = " ".join((inspect.getdoc(run) or "").split())
            self._checks.append(Check(name=f"{self._group}.{run.__name__}", title=title, section=section, run=run))
            return run

        return added


def outcomes(checks: Iterable[Check], target: Target) -> Iterator[CheckOutcome]:
    """Run the checks one after the other. No secret of the target is in the words."""
    for check in checks:
        verdict, words = Verdict.PASSED, ""
        try:
            check.run(target)
        except NotChecked as reason:
            verdict, words = Verdict.NOT_CHECKED, str(reason)
        except Failed as fault:
            verdict, words = Verdict.FAILED, str(fault)
        except Exception as error:  # whatever a wrong answer breaks in a check is the server's fault
            verdict, words = Verdict.FAILED, f"the answer cannot be used: {type(error).__name__}: {error}"
        words = target.without_secrets(" ".join(words.split()))[:LONGEST]
        yield CheckOutcome(name=check.name, title=check.title, section=check.section, verdict=verdict, words=words)


def expect(condition: object, words: str) -> None:
    """Raise Failed with these words unless the condition holds."""
    if not condition:
        raise Failed(words)


def equal(what: str, found: object, wanted: object) -> None:
    """Raise Failed unless both are equal. Kinds of numbers count: 1 is not True."""
    if found != wanted or isinstance(found, bool) is not isinstance(wanted, bool):
        raise Failed(f"{what} is {found!r}, but must be {wanted!r}")


def is_number(found: object) -> TypeGuard[float]:
    """Whether JSON has a number there; true and false are none."""
    return isinstance(found, int | float) and not isinstance(found, bool)


def close(what: str, found: object, wanted: float, tolerance: float = 1e-9) -> None:
    """Raise Failed unless the number is equal to the wanted one but for rounding (relative, or absolute near 0)."""
    if not is_number(found) or abs(found - wanted) > tolerance * max(1.0, abs(wanted)):
        raise Failed(f"{what} is {found!r}, but must be {wanted!r}")
