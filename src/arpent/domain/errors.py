"""The error tree: everything that can go wrong, independent of HTTP (`wire.problems` maps it to HTTP).

ArpentError
├─ CallerError              the caller can fix it
│  ├─ InvalidRequest        a field of the request body is missing or wrong
│  │  ├─ EmptyBody          there is no request body at all
│  │  └─ ResolutionTooCoarse  more metres per pixel than the collection allows
│  ├─ ActionNotAllowed      the job's status does not allow this action
│  ├─ JobNotFound           there is no such job, or it belongs to another client
│  ├─ CollectionNotFound    there is no such data collection
│  ├─ FeatureNotFound       the job has no such feature
│  ├─ Unauthorized          there is no token, or it is invalid or expired
│  ├─ Forbidden             the client's role does not allow this
│  ├─ InsufficientUnits     the client has used up this month's processing units
│  ├─ ClientNotFound        there is no such OAuth2 client
│  ├─ UnsupportedMediaType  the body is neither JSON nor multipart/form-data
│  ├─ RateLimited           the client has too many requests in progress
│  ├─ LimitExceeded         the request needs more time, memory or numbers than allowed
│  └─ FeaturesUnreadable    the features file cannot be read, or the whole file breaks a rule
├─ ScriptError              the evalscript is at fault; has line and column in the script
│  ├─ ScriptSyntaxError     it does not parse
│  ├─ ScriptSetupError      setup() is missing, throws, or returns something invalid
│  ├─ ScriptExecutionError  evaluatePixel (or another function) throws or returns something invalid
│  ├─ ScriptTimeout         it ran longer than allowed
│  └─ ScriptOutOfMemory     it needed more memory than allowed
├─ WorldError               something outside arpent failed; `transient`: trying again can help
│  ├─ CatalogUnavailable
│  │  └─ CatalogUnknown     the name of its host does not resolve
│  ├─ AssetUnreadable
│  ├─ StorageDenied
│  │  └─ NameRefused        because of the object's name
│  ├─ StorageNotFound       an object is missing
│  │  └─ BucketNotFound     the whole bucket is missing
│  ├─ StorageUnavailable
│  ├─ EnvironmentFault      the machine or installation is at fault, not a feature: the job waits or fails
│  │  ├─ StorageFault       the bucket of the script or the results is unavailable: the partition waits
│  │  └─ SandboxUnavailable  evalscripts cannot be sandboxed as the settings require
│  ├─ DatabaseRefused       the database rejects a value and would reject it again
│  ├─ WorkLost              the worker that held the work cannot be reached, or stopped responding
│  └─ WorkerDied            the process that did the work was killed, or crashed
├─ NoLongerWanted           the work was cancelled: its result is not needed any more
├─ InvalidSetting           a setting, or a file that a setting names, is wrong; the operator can fix it
├─ Conflict                 another process saved the job in the meantime
└─ LeaseLost                the lease expired; another process may hold the work now
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from arpent.domain.boundary.text import clean


class ArpentError(Exception):
    """Root of the tree. `str(error)` is a sentence for users; it never holds a secret, and can be stored and sent."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(clean(each) if isinstance(each, str) else each for each in args))


class CallerError(ArpentError):
    """The caller made a mistake, and can fix it."""


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
        """The error for one wrong field; its message names the field."""
        return cls(f"Invalid `{parameter}`: {violation}", ((parameter, violation),))


class EmptyBody(InvalidRequest):
    """There is no request body at all."""


class ResolutionTooCoarse(InvalidRequest):
    """The request asks for more metres per pixel than the collection allows."""


class ActionNotAllowed(CallerError):
    """The job's status does not allow this action."""


class JobNotFound(CallerError):
    """There is no such job, or it belongs to another client."""


class CollectionNotFound(CallerError):
    """There is no data collection of this name."""


class FeatureNotFound(CallerError):
    """The job has no such feature."""


class Unauthorized(CallerError):
    """There is no token, or it is invalid or expired."""


class Forbidden(CallerError):
    """The client is known, but its role does not allow this."""


class InsufficientUnits(CallerError):
    """The client has used up its processing units for this month."""

    def __init__(self) -> None:
        # The wording of the real service (sentinelhub.md 1.5).
        super().__init__("Insufficient processing units or requests available in your account.")


class ClientNotFound(CallerError):
    """There is no OAuth2 client with that id or name."""


class UnsupportedMediaType(CallerError):
    """The body is neither JSON nor multipart/form-data."""


class RateLimited(CallerError):
    """The client has too many requests in progress; it may try again after `seconds`."""

    def __init__(self, message: str, seconds: float = 5.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class LimitExceeded(CallerError):
    """The request needs more time, memory or numbers than allowed."""


class FeaturesUnreadable(CallerError):
    """The features file cannot be read, or the whole file breaks a rule."""


class ScriptError(ArpentError):
    """The evalscript is at fault.

    `line` and `column` are positions in the user's script, counted from 1. `error_class`: the built-in JavaScript class
    of the exception, such as `TypeError`; empty if the script threw something else, or nothing. `undefined`: the name
    that a ReferenceError reports as not defined; otherwise empty.
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
    """Something outside arpent failed; `transient` says whether trying again can help."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient

    def __reduce__(self) -> tuple[object, ...]:
        return (_revive, (type(self), self.args[0], self.transient))


def _revive(kind: type[WorldError], message: str, transient: bool) -> WorldError:
    """Unpickle a WorldError; by default, pickle would lose the keyword argument."""
    return kind(message, transient=transient)


class CatalogUnavailable(WorldError):
    """The STAC catalogue cannot be read."""


class CatalogUnknown(CatalogUnavailable):
    """The catalogue's host name does not resolve: it is misspelt, or the name service is unavailable."""


class AssetUnreadable(WorldError):
    """An image of an item cannot be read.

    `href`: the image's address as in the catalogue, including any signature: only for comparison, never to be shown.
    `block`: (level, row, column) if only that block cannot be read; None: the whole image, or unknown. `passing`: the
    image may become readable, but is not tried again in this run of the job. `away`: this is because its store did not
    respond.
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
    """The object store does not permit the action with these keys."""


class NameRefused(StorageDenied):
    """The object store rejects this object name; it may accept others."""


class StorageNotFound(WorldError):
    """There is no such bucket or object."""


class BucketNotFound(StorageNotFound):
    """There is no such bucket."""


class StorageUnavailable(WorldError):
    """The object store does not respond as it should."""


class EnvironmentFault(WorldError):
    """The machine or installation is at fault: a worker cannot start, or results cannot be written. No feature is
    marked as failed: the work is tried again, and eventually the job fails; START continues it."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message, transient=transient)


class StorageFault(EnvironmentFault):
    """The bucket of the script or of the results is unavailable, perhaps only temporarily."""


class SandboxUnavailable(EnvironmentFault):
    """Evalscripts cannot be fully sandboxed on this machine, and no setting allows running them anyway."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message, transient=transient)


class DatabaseRefused(WorldError):
    """The database rejects a value that it cannot hold, or an invalid row, and would reject it again."""


class WorkLost(WorldError):
    """The worker that held the work cannot be reached, or stopped responding. The work itself is not at fault, so
    another worker may take it."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message, transient=transient)


class WorkerDied(WorldError):
    """The process that did the work was killed (by the kernel for lack of memory, or by an operator) or crashed in
    native code. Trying again can help, unless the work itself is the cause."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message, transient=transient)


class NoLongerWanted(ArpentError):
    """The work was cancelled: its result is not needed any more."""


class InvalidSetting(ArpentError):
    """A setting, or a file that a setting names, is wrong; the message names the variable, its value and what is
    allowed."""


class Conflict(ArpentError):
    """Another process saved the job in the meantime; read it again."""


class LeaseLost(ArpentError):
    """The lease expired; another process may hold the work now."""
