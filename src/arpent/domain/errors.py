"""The error tree: what can go wrong, in arpent's own words. No HTTP in it (see `wire.problems`).

ArpentError
├─ CallerError              the caller can fix it
│  ├─ InvalidRequest        a field of the request body is missing or wrong
│  │  ├─ EmptyBody          there is no request body at all
│  │  └─ ResolutionTooCoarse  more metres per pixel than the collection allows
│  ├─ ActionNotAllowed      the job's status does not allow this action
│  ├─ JobNotFound           there is no such job, or it is not this client's
│  ├─ FeatureNotFound       the job has no such feature
│  ├─ Unauthorized          there is no token, or it is invalid or expired
│  ├─ UnsupportedMediaType  the body is neither JSON nor multipart/form-data
│  ├─ RateLimited           the client has too many requests under way
│  ├─ LimitExceeded         the request needs more time, memory or numbers than allowed
│  └─ FeaturesUnreadable    the file of features cannot be read, or breaks a rule for all features
├─ ScriptError              the evalscript is at fault; has the script's own line and column
│  ├─ ScriptSyntaxError     it does not parse
│  ├─ ScriptSetupError      setup() is missing, throws, or returns something invalid
│  ├─ ScriptExecutionError  evaluatePixel (or another function) throws or returns something invalid
│  ├─ ScriptTimeout         it ran longer than allowed
│  └─ ScriptOutOfMemory     it needed more memory than allowed
├─ WorldError               something outside failed; `transient` says whether to try again
│  ├─ CatalogUnavailable
│  ├─ AssetUnreadable
│  ├─ StorageDenied
│  │  └─ NameRefused        because of the object's name
│  ├─ StorageNotFound       an object is missing
│  │  └─ BucketNotFound     or the whole bucket
│  ├─ StorageUnavailable
│  ├─ EnvironmentFault      the machine or installation is at fault, not a feature: the job waits or fails
│  │  ├─ StorageFault       the bucket of the script or the results is unavailable: the partition waits
│  │  └─ SandboxUnavailable  evalscripts cannot be sandboxed as the settings demand
│  ├─ DatabaseRefused       the database refuses this, and would refuse it again
│  ├─ WorkLost              the worker that had the work cannot be reached, or stood still
│  └─ WorkerDied            the process that did the work was killed, or crashed
├─ NoLongerWanted           the work was cancelled: nobody needs its result
├─ InvalidSetting           a setting, or a file that one names, is wrong; the operator can fix it
├─ Conflict                 somebody else saved the job in the meantime
└─ LeaseLost                the lease ran out; the work belongs to somebody else now
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from arpent.domain.boundary.text import clean


class ArpentError(Exception):
    """Root of the tree. `str(error)` is a sentence for a person, never holds a secret, and can be stored and sent."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(clean(each) if isinstance(each, str) else each for each in args))


class CallerError(ArpentError):
    """The caller can fix it."""


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
    """There is no such job, or it is not this client's."""


class CollectionNotFound(CallerError):
    """No collection of this name."""


class FeatureNotFound(CallerError):
    """The job has no such feature."""


class Unauthorized(CallerError):
    """There is no token, or it is invalid or expired."""


class Forbidden(CallerError):
    """The client is known, but its role does not allow this."""


class InsufficientUnits(CallerError):
    """The client has used up its processing units of this month."""

    def __init__(self) -> None:
        # The real service's words (sentinelhub.md 1.5).
        super().__init__("Insufficient processing units or requests available in your account.")


class ClientNotFound(CallerError):
    """There is no OAuth2 client of that id or name."""


class UnsupportedMediaType(CallerError):
    """The body is neither JSON nor multipart/form-data."""


class RateLimited(CallerError):
    """The client has too many requests under way; it may try again after `seconds`."""

    def __init__(self, message: str, seconds: float = 5.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class LimitExceeded(CallerError):
    """The request needs more time, memory or numbers than allowed."""


class FeaturesUnreadable(CallerError):
    """The file of features cannot be read, or breaks a rule for all features."""


class ScriptError(ArpentError):
    """The evalscript is at fault.

    `line` and `column` count from 1 in the user's own text. `error_class`: the built-in JavaScript class of what it
    threw, such as `TypeError`; empty if it threw none of these, or nothing. `undefined`: the name that a ReferenceError
    says is not defined; empty otherwise.
    """

    def __init__(
        self,
        message: str,
        line: int | None = None,
        column: int | None = None,
        *,
        error_class: str = "",
        undefined: str = "",
    ) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.error_class = error_class
        self.undefined = undefined

    def __str__(self) -> str:
        message = super().__str__()
        if self.line is None:
            return message
        place = f"line {self.line}" + (f", column {self.column}" if self.column else "")
        return f"{message} ({place})"


class ScriptSyntaxError(ScriptError):
    """The evalscript does not parse."""


class ScriptSetupError(ScriptError):
    """setup() is missing, throws, or returns something invalid."""


class ScriptExecutionError(ScriptError):
    """evaluatePixel (or another function) throws or returns something invalid."""


class ScriptTimeout(ScriptError):
    """The evalscript ran longer than allowed."""


class ScriptOutOfMemory(ScriptError):
    """The evalscript needed more memory than allowed."""


class WorldError(ArpentError):
    """Something outside failed; `transient` says whether trying again can help."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient

    def __reduce__(self) -> tuple[object, ...]:
        return (_revive, (type(self), self.args[0], self.transient))


def _revive(kind: type[WorldError], message: str, transient: bool) -> WorldError:
    """Unpickle a WorldError: pickle by itself would lose its keyword argument."""
    return kind(message, transient=transient)


class CatalogUnavailable(WorldError):
    """The STAC catalogue cannot be read."""


class CatalogUnknown(CatalogUnavailable):
    """The name of the catalogue's host does not resolve: it is misspelt, or the name service is away."""


class AssetUnreadable(WorldError):
    """An image of an item cannot be read.

    `href`: the image's address as in the catalogue, with its signature: to compare, never to show. `block`: (level,
    row, column) if only that block cannot be read; None: the whole image, or unknown. `passing`: it may be readable
    later, but is not tried again in this run of the job; `away`: since its store did not answer.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        href: str = "",
        block: tuple[int, int, int] | None = None,
        passing: bool = False,
        away: bool = False,
    ) -> None:
        super().__init__(message, transient=transient)
        self.href = href
        self.block = block
        self.passing = passing
        self.away = away

    def __reduce__(self) -> tuple[object, ...]:
        revive = partial(
            AssetUnreadable, transient=self.transient, href=self.href, block=self.block, passing=self.passing,
            away=self.away,
        )  # fmt: skip
        return revive, self.args


class StorageDenied(WorldError):
    """The object store refuses the action to these keys."""


class NameRefused(StorageDenied):
    """The object store takes no object of this name; others it may take."""


class StorageNotFound(WorldError):
    """There is no such bucket or object."""


class BucketNotFound(StorageNotFound):
    """There is no such bucket."""


class StorageUnavailable(WorldError):
    """The object store does not answer as it should."""


class EnvironmentFault(WorldError):
    """The machine or installation is at fault: a worker cannot start, results cannot be written. No feature fails
    because of it: the work is tried again, and then the job fails; START continues it."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message, transient=transient)


class StorageFault(EnvironmentFault):
    """The bucket of the script or of the results is unavailable, perhaps for a while."""


class SandboxUnavailable(EnvironmentFault):
    """Evalscripts cannot be sandboxed here as they should be, and no setting allows to run them anyway."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message, transient=transient)


class DatabaseRefused(WorldError):
    """The database refuses this, and would refuse it again: a value that it cannot hold, or an invalid row."""


class WorkLost(WorldError):
    """The worker that had the work cannot be reached, or stood still. The work itself is not at fault, so another
    worker may have it."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message, transient=transient)


class WorkerDied(WorldError):
    """The process that did the work was killed (by the kernel for lack of memory, or by an operator) or crashed in
    native code. Trying again can help, unless the work itself is the cause."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message, transient=transient)


class NoLongerWanted(ArpentError):
    """The work was cancelled: its result is no longer needed."""


class InvalidSetting(ArpentError):
    """A setting, or a file that one names, is wrong; the message names the variable, its value and what is allowed."""


class Conflict(ArpentError):
    """Somebody else saved the job in the meantime; read it again."""


class LeaseLost(ArpentError):
    """The lease ran out; the work belongs to somebody else now."""
