"""Cloud errors: obstore's errors in arpent's words. Their text is examined but never passed on, since it may quote
signed requests."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError, PermissionDeniedError, PreconditionError, UnauthenticatedError

from arpent.domain.boundary.unforeseen import NativePanic, panics_as_errors
from arpent.domain.errors import (
    BucketNotFound,
    NameRefused,
    StorageDenied,
    StorageNotFound,
    StorageUnavailable,
    WorldError,
)
from arpent.domain.location import Location
from arpent.network.bucket_answers import answer_of
from arpent.network.passing import LASTING

log = logging.getLogger(__name__)

RIGHTS = {
    "s3": {"read": "s3:GetObject", "write": "s3:PutObject", "list": "s3:ListBucket"},
    "gs": {
        "read": "storage.objects.get",
        "write": "storage.objects.create",
        "list": "storage.objects.list",
    },
}
"""Scheme → action → permission it needs, as bucket policies name it."""
OBSTORE_ERRORS = (BaseError, OSError, ValueError)
"""Exceptions that obstore raises; a missing object is Python's FileNotFoundError."""


@contextmanager
def panics_explained(location: Location, action: str) -> Iterator[None]:
    """Turn panics of the native client, which it raises for values that are invalid in a header or URL, into
    StorageDenied."""
    try:
        with panics_as_errors():
            yield
    except NativePanic:
        log.error("The store's client panicked over bucket %r; what it said may hold keys", location.bucket)
        raise StorageDenied(
            f"Cannot {action} {location.url}: the store's client cannot work with this bucket, region or key. Check "
            "that `region`, `accessKey` and `secretAccessKey` hold no spaces, line breaks or other unusual characters."
        ) from None


def storage_error(error: Exception, location: Location, action: str) -> WorldError:
    """The error in arpent's words, by the first row of the table that applies; it also says whether another try can
    help."""
    said = answer_of(error)
    answer, status = said.words, said.status
    what, bucket = f"Cannot {action} {location.url}", f"bucket {location.bucket!r}"
    absent = isinstance(error, FileNotFoundError) or said.code in ("NoSuchBucket", "NoSuchKey")
    wrong = f"{what}: the store does not answer as it should ({answer})."
    rows: tuple[tuple[bool, WorldError], ...] = (
        (said.passing, StorageUnavailable(wrong, transient=True)),
        (
            absent and (said.code == "NoSuchBucket" or action != "read"),
            BucketNotFound(f"{what}: there is no {bucket} in this store."),
        ),
        (absent, StorageNotFound(f"{what}: there is no object {location.key!r} in {bucket}.")),
        (
            isinstance(error, PermissionDeniedError | UnauthenticatedError),
            StorageDenied(
                f"{what}: the store refuses ({answer}). Check the keys, and that they have "
                f"{RIGHTS[location.scheme][action]} for {_folder(location)} in {bucket}."
                # Stores also refuse access to a missing object if the bucket may not be listed.
                + (" The object may also be missing." if action == "read" else "")
            ),
        ),
        (
            isinstance(error, PreconditionError),
            StorageUnavailable(f"{what}: the object changed while it was read.", transient=True),
        ),
        (isinstance(error, ValueError), NameRefused(f"{what}: the store's client does not accept this key or URL.")),
        (
            said.code == "region",
            StorageDenied(f"{what}: {bucket} is in another region; set `region`."),
        ),
        (
            said.code == "keys",
            StorageDenied(f"{what}: neither the request nor this machine has keys (AWS_ACCESS_KEY_ID …)."),
        ),
        (status == 400 and not said.denied, NameRefused(f"{what}: the store refuses ({answer}).")),
        (
            400 <= status < 500 or status in LASTING,
            StorageDenied(f"{what}: the store refuses ({answer})."),
        ),
        (
            isinstance(error, OSError) and bool(error.errno),
            StorageUnavailable(f"{what}: {_local(error)} on this machine.", transient=True),
        ),
    )
    return next((explanation for applies, explanation in rows if applies), StorageUnavailable(wrong, transient=True))


def _folder(location: Location) -> str:
    """The resource that a bucket policy would name."""
    folder, slash, _ = location.key.rpartition("/")
    return f"'{folder}{slash}*'"


def _local(error: Exception) -> str:
    """The operating system's message for an error with a number."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number else "an error"
