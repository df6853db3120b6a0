"""The error tree: what can go wrong, in arpent's own words. No HTTP in it (see `wire.problems`).

ArpentError
├─ CallerError              the caller can mend it
│  ├─ InvalidRequest        a field of the request body is missing or wrong
│  │  ├─ EmptyBody          there is no request body at all
│  │  └─ ResolutionTooCoarse  more metres per pixel than the collection allows
│  ├─ ActionNotAllowed      the job's status does not allow this action
│  ├─ JobNotFound           no such job, or not this client's
│  ├─ FeatureNotFound       the job has no such feature
│  ├─ Unauthorized          no token, or one that is not (or no longer) good
│  ├─ UnsupportedMediaType  the body is neither JSON nor multipart/form-data
│  ├─ RateLimited           the client has too many requests under way
│  ├─ LimitExceeded         the request wants more time, memory or numbers than it may have
│  └─ FeaturesUnreadable    the GeoPackage cannot be read, or breaks a rule for all features
├─ ScriptError              the evalscript is at fault; has the script's own line and column
│  ├─ ScriptSyntaxError     it does not parse
│  ├─ ScriptSetupError      setup() is missing, throws, or says something we cannot act on
│  ├─ ScriptExecutionError  evaluatePixel (or another function) throws or returns nonsense
│  ├─ ScriptTimeout         it ran longer than it may
│  └─ ScriptOutOfMemory     it wanted more memory than it may have
├─ WorldError               something outside failed; `transient` says whether to try again
│  ├─ CatalogUnavailable
│  ├─ AssetUnreadable
│  ├─ StorageDenied
│  ├─ StorageNotFound
│  ├─ StorageUnavailable
│  ├─ EnvironmentFault      what arpent runs on is at fault: no feature can be blamed, the job waits or fails
│  │  ├─ StorageFault       the script or the results cannot be had or written at all: waited for, too
│  │  └─ SandboxUnavailable  evalscripts cannot be locked in as the operator wants it
│  ├─ DatabaseRefused       the database does not take this, however often it is asked
│  ├─ WorkLost              whoever had the work cannot be reached any more
│  └─ WorkerDied            the process that did the work was killed, or crashed
├─ NoLongerWanted           nobody waits any more for what was being done
├─ InvalidSetting           a setting, or a file that one names, is wrong; whoever runs arpent can mend it
├─ Conflict                 somebody else saved the job in the meantime
└─ LeaseLost                the lease ran out; the work belongs to somebody else now
"""

from __future__ import annotations

from collections.abc import Sequence

from arpent.domain.boundary.text import clean


class ArpentError(Exception):
    """Root of the tree. `str(error)` is a sentence for a person, never holds a secret, and can be stored and sent."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(clean(each) if isinstance(each, str) else each for each in args))


class CallerError(ArpentError):
    """The caller can mend it."""


class InvalidRequest(CallerError):
    """A field of the request body is missing or wrong.

    `violations` are pairs (parameter, violation); a parameter is a path such as
    `aggregation->resx`, as the real service writes it (sentinelhub.md 1.5).
    """

    def __init__(self, message: str, violations: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.violations = tuple(violations)

    @classmethod
    def at(cls, parameter: str, violation: str) -> InvalidRequest:
        """One wrong field; the message names it."""
        return cls(f"Invalid `{parameter}`: {violation}", ((parameter, violation),))


class EmptyBody(InvalidRequest):
    """There is no request body at all."""


class ResolutionTooCoarse(InvalidRequest):
    """More metres per pixel than the collection allows."""


class ActionNotAllowed(CallerError):
    """The job's status does not allow this action."""


class JobNotFound(CallerError):
    """No such job, or not this client's."""


class FeatureNotFound(CallerError):
    """The job has no such feature."""


class Unauthorized(CallerError):
    """No token, or one that is not (or no longer) good."""


class UnsupportedMediaType(CallerError):
    """The body is neither JSON nor multipart/form-data."""


class RateLimited(CallerError):
    """The client has too many requests under way; `seconds`: when it may try again."""

    def __init__(self, message: str, seconds: float = 5.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class LimitExceeded(CallerError):
    """The request wants more time, memory or numbers than it may have."""


class FeaturesUnreadable(CallerError):
    """The GeoPackage cannot be read, or breaks a rule for all features."""


class ScriptError(ArpentError):
    """The evalscript is at fault; `line` and `column` count from 1 in the user's own text."""

    def __init__(self, message: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message)
        self.line = line
        self.column = column

    def __str__(self) -> str:
        message = super().__str__()
        if self.line is None:
            return message
        place = f"line {self.line}" + (f", column {self.column}" if self.column else "")
        return f"{message} ({place})"

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.args[0], self.line, self.column))


class ScriptSyntaxError(ScriptError):
    """The evalscript does not parse."""


class ScriptSetupError(ScriptError):
    """setup() is missing, throws, or says something we cannot act on."""


class ScriptExecutionError(ScriptError):
    """evaluatePixel (or another function) throws or returns nonsense."""


class ScriptTimeout(ScriptError):
    """The evalscript ran longer than it may."""


class ScriptOutOfMemory(ScriptError):
    """The evalscript wanted more memory than it may have."""


class WorldError(ArpentError):
    """Something outside failed; `transient` says whether trying again can help."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient

    def __reduce__(self) -> tuple[object, ...]:
        return (_revive, (type(self), self.args[0], self.transient))


def _revive(kind: type[WorldError], message: str, transient: bool) -> WorldError:
    """Unpickle a WorldError: its keyword does not survive the default protocol."""
    return kind(message, transient=transient)


class CatalogUnavailable(WorldError):
    """The STAC catalogue cannot be read."""


class AssetUnreadable(WorldError):
    """An image of an item cannot be read.

    `href` is the image's address as the catalogue gives it, signature included: for comparing, never for showing.
    `block`: (level, row, column) if only that part of the image is broken; None: all of it, or who knows.
    `passing`: not tried again in this run of the job, though it may well be readable some other day.
    """

    def __init__(
        self, message: str, *, transient: bool = False, href: str = "", block: tuple[int, int, int] | None = None
    ) -> None:
        super().__init__(message, transient=transient)
        self.href = href
        self.block = block
        self.passing = False

    def __reduce__(self) -> tuple[object, ...]:
        return (_revive_asset, (self.args[0], self.transient, self.href, self.block))


def _revive_asset(message: str, transient: bool, href: str, block: tuple[int, int, int] | None) -> AssetUnreadable:
    return AssetUnreadable(message, transient=transient, href=href, block=block)


class StorageDenied(WorldError):
    """The object store refuses the action to these keys."""


class StorageNotFound(WorldError):
    """There is no such bucket or object."""


class StorageUnavailable(WorldError):
    """The object store does not answer as it should."""


class EnvironmentFault(WorldError):
    """What arpent runs on is at fault: a worker cannot start, results cannot be written. It says nothing about any
    feature, so that it never costs one: it is tried again, and then fails the job, which START takes up again."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message, transient=transient)


class StorageFault(EnvironmentFault):
    """The script's bucket or that of the results is not to be had; it may be away for a while."""


class SandboxUnavailable(EnvironmentFault):
    """Evalscripts cannot be locked in here as they should be, and no setting says to run them all the same."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message, transient=transient)


class DatabaseRefused(WorldError):
    """The database does not take this, and will not the next time: a value that it cannot hold, a row that is wrong."""


class WorkLost(WorldError):
    """Whoever had the work cannot be reached any more; nothing speaks against the work: somebody else may have it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, transient=True)


class WorkerDied(WorldError):
    """The process that did the work was killed (by the kernel when memory is short, by an operator) or crashed in
    native code; trying again can help, unless it is the work that kills."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message, transient=transient)


class NoLongerWanted(ArpentError):
    """Nobody waits any more for what was being done: STOP ended the analysis."""


class InvalidSetting(ArpentError):
    """A setting, or a file that one names, is wrong; the message names the variable, its value and what is allowed."""


class Conflict(ArpentError):
    """Somebody else saved the job in the meantime; read it again."""


class LeaseLost(ArpentError):
    """The lease ran out; the work belongs to somebody else now."""
