"""Cloud: ObjectStore on obstore: S3 and compatible stores, Google Cloud Storage."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import obstore
from obstore.store import GCSStore, S3Store

from arpent.adapters.objects.batches import batches
from arpent.adapters.objects.cloud_errors import OBSTORE_ERRORS, panics_explained, storage_error
from arpent.adapters.objects.sigv4 import Keys
from arpent.adapters.objects.size import check_size
from arpent.adapters.objects.sts import AssumedRole, RoleKeys
from arpent.domain.boundary.address_grammar import (
    ACCESS_KEY,
    ACCOUNT,
    BUCKET,
    MACHINE_REGION,
    REGION,
    ROLE,
    SECRET_KEY,
    Form,
    account_fault,
)
from arpent.domain.boundary.wanted import Held, held_here
from arpent.domain.errors import StorageDenied, StorageUnavailable, WorldError
from arpent.domain.location import Credentials, Location
from arpent.network.access import AccessFailed, BucketAccess, OpenAccess, SourceAccess
from arpent.network.bucket_answers import answer_of, complete

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, RetryConfig

IN_FLIGHT = 32
"""Number of concurrent requests."""
BATCH, BATCH_BYTES = 1024, 64 << 20
"""Entries taken from the caller's iterator at a time, and about how many bytes; bounds memory."""
CHUNK = 16 << 20
"""Bytes per range of a download."""
RETRIES = 6
"""Retries of one request, with backoff and jitter …"""
RETRY_SECONDS = 60
"""… and within this many seconds."""
Store = S3Store | GCSStore
R = TypeVar("R")
MOST_STORES = 256
"""Maximum number of clients of buckets that are kept open, with their keys."""
_TIMEOUTS: ClientConfig = {"timeout": "120s", "connect_timeout": "10s"}
_OTHER_GOOGLE_KEYS = (
    "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_BEARER_TOKEN", "GOOGLE_SKIP_SIGNATURE",
)  # fmt: skip
"""Environment variables that obstore would prefer to the keys that it is given."""


class CloudObjects:
    """Buckets in the cloud, opened with the keys of each location, or else with the machine's.

    `AWS_ENDPOINT_URL_S3` or `AWS_ENDPOINT_URL` name a compatible store; the bucket is then part of the path, and http
    is allowed if the URL says so. Roles are assumed at `AWS_ENDPOINT_URL_STS`, `AWS_ENDPOINT_URL` or AWS. Picklable: a
    copy opens its own connections.
    """

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        retries: int = RETRIES,
        retry_seconds: float = RETRY_SECONDS,
        access: SourceAccess | None = None,
    ) -> None:
        """`access`: where each bucket is, and which keys to use if a request has none for it."""
        self._access = access or OpenAccess()
        self._environment = dict(os.environ if environment is None else environment)
        self._retries = retries
        self._retry_seconds = retry_seconds
        self._stores: dict[tuple[str, str, Credentials, str], Store] = {}
        self._roles: dict[Credentials, RoleKeys] = {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[object, ...]:
        return (_reopened, (self._retries, self._retry_seconds, self._access))

    def read(self, location: Location, most: int | None = None) -> bytes:
        def get(store: Store) -> bytes:
            found = obstore.get(store, location.key)
            check_size(location, found.meta["size"], most)
            return bytes(complete(found.bytes(), found.meta["size"]))

        return self._answer(location, "read", get)

    def download(self, location: Location, path: Path, most: int | None = None) -> None:
        """Downloads in ranges, so that no single request takes long; a change of the object meanwhile is a transient
        error."""
        partial = path.with_name(path.name + ".part")
        about = self._answer(location, "read", lambda store: obstore.head(store, location.key))
        check_size(location, about["size"], most)
        tag = about["e_tag"]

        def piece(store: Store) -> obstore.Bytes:
            found = obstore.get(store, location.key, options={"range": span, **({"if_match": tag} if tag else {})})
            return complete(found.bytes(), span[1] - span[0])

        try:
            with partial.open("wb") as copy:
                for start in range(0, about["size"], CHUNK):
                    span = (start, min(start + CHUNK, about["size"]))
                    copy.write(self._answer(location, "read", piece))
            partial.replace(path)
        except WorldError:
            partial.unlink(missing_ok=True)
            raise
        except OBSTORE_ERRORS as error:
            partial.unlink(missing_ok=True)
            raise self._explained(error, location, "read") from None

    def write(self, location: Location, payload: bytes) -> None:
        self._put(location, payload, held_here())

    def write_many(self, prefix: Location, entries: Iterable[tuple[str, bytes]]) -> None:
        self._store(prefix, "write", self._way(prefix, "write")[0])
        held = held_here()  # threads of the pool would not find it
        with ThreadPoolExecutor(IN_FLIGHT, "cloud-objects") as pool:
            for batch in batches(entries, BATCH, BATCH_BYTES):
                for _ in pool.map(lambda entry: self._put(prefix.at(entry[0]), entry[1], held), batch):
                    pass

    def list(self, prefix: Location) -> Iterator[str]:
        store = self._store(prefix, "list", self._way(prefix, "list")[0])
        try:
            pages = obstore.list(store, prefix.key.rstrip("/") or None)
            while page := self._page(pages, prefix):
                for entry in page:
                    yield entry["path"]
        except OBSTORE_ERRORS as error:
            raise self._explained(error, prefix, "list") from None

    def _put(self, location: Location, payload: bytes, held: Held) -> None:
        def put(store: Store) -> None:
            held()
            obstore.put(store, location.key, payload, use_multipart=len(payload) > CHUNK)

        self._answer(location, "write", put)

    def _answer(self, location: Location, action: str, call: Callable[[Store], R]) -> R:
        """The result of a call of the store's client. If it refuses the keys of the bucket's source, and there are
        newer ones, the call is repeated with these."""
        for again in (False, True):
            way, keys = self._way(location, action)
            store = self._store(location, action, way)
            try:
                with self._access.connection_slot(location.url), panics_explained(location, action):
                    return call(store)
            except OBSTORE_ERRORS as error:
                stale = bool(keys) and answer_of(error).denied and not again
                if not stale or not self._access.bucket_refused(location.url, keys):
                    raise self._explained(error, location, action) from None
                with self._lock:
                    self._stores.pop(_name(location, way), None)  # its client keeps the old keys
        raise AssertionError("the last try returns or raises")

    def _page(self, pages: Iterator[Sequence[ObjectMeta]], prefix: Location) -> Sequence[ObjectMeta]:
        with self._access.connection_slot(prefix.url), panics_explained(prefix, "list"):
            return next(pages, ())

    def _store(self, location: Location, action: str, way: BucketAccess) -> Store:
        key = _name(location, way)
        with self._lock:
            store = self._stores.get(key)
            if store is None:
                if location.scheme not in ("s3", "gs"):
                    raise StorageDenied(f"Cannot {action} {location.url}: only s3:// and gs:// are supported.")
                _check(location, action)
                with panics_explained(location, action):
                    store = self._s3(location, way, action) if location.scheme == "s3" else self._gcs(location, action)
                while len(self._stores) >= MOST_STORES:
                    self._roles.pop(next(iter(self._stores))[2], None)
                    self._stores.pop(next(iter(self._stores)))
                self._stores[key] = store
            return store

    def _way(self, location: Location, action: str) -> tuple[BucketAccess, Mapping[str, object]]:
        """How to access the bucket, and the keys of its source; empty if the request has its own keys. Raises
        StorageDenied or StorageUnavailable."""
        if location.scheme != "s3":
            return BucketAccess(), {}
        own = location.credentials
        try:
            own_keys = bool(own.iam_role_arn or _keys(own) is not None)
            way = self._access.bucket(location.url, own_keys=own_keys)
            if own_keys:
                return replace(way, keys=None, unsigned=False if way.source else None), {}
            return way, ({} if way.keys is None else way.keys())
        except AccessFailed as error:
            kind = StorageUnavailable if error.transient else StorageDenied
            raise kind(f"Cannot {action} {location.url}: {error}.", transient=error.transient) from None

    def _explained(self, error: Exception, location: Location, action: str) -> WorldError:
        """The error in arpent's words; if no keys could be had for a role, the reason for that."""
        role = self._roles.get(location.credentials)
        if role is not None and role.failure is not None:
            why = role.failure
            return type(why)(f"Cannot {action} {location.url}: {why}", transient=why.transient)
        explained = storage_error(error, location, action)
        way, keys = self._way(location, action)
        if explained.transient or not (keys or way.unsigned):
            return explained
        advice = self._access.advice(location.url, answer_of(error).code)
        return type(explained)(f"{explained} ({advice})") if advice else explained

    def _s3(self, location: Location, way: BucketAccess, action: str) -> S3Store:
        credentials, environment = location.credentials, self._environment
        machine = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
        region = credentials.region or way.region or machine
        if not MACHINE_REGION.fits(region):
            raise StorageDenied(f"Cannot {action} {location.url}: AWS_REGION must {MACHINE_REGION.words}.")
        provider: RoleKeys | _RequestKeys | None = None
        if credentials.iam_role_arn:
            provider = self._roles.setdefault(credentials, RoleKeys(_role(location, action, environment, region)))
        elif keys := _keys(credentials):
            provider = _RequestKeys(keys)
        options = way.options(_TIMEOUTS, environment) | {"region": region}
        if provider:
            options["credential_provider"] = provider
        return S3Store(location.bucket, retry_config=self._retry, **options)  # type: ignore[arg-type]

    def _gcs(self, location: Location, action: str) -> GCSStore:
        """A Google Cloud Storage bucket; `GOOGLE_BASE_URL` names a compatible store."""
        options: ClientConfig = {
            **_TIMEOUTS,
            "allow_http": self._environment.get("GOOGLE_BASE_URL", "").startswith("http://"),
        }
        account = location.credentials.service_account
        what = f"Cannot {action} {location.url}"
        if not account:
            try:
                return GCSStore(location.bucket, client_options=options, retry_config=self._retry)
            except OBSTORE_ERRORS:
                raise StorageDenied(
                    f"{what}: this machine's account cannot be used; GOOGLE_APPLICATION_CREDENTIALS must name the file "
                    "of a service account"
                ) from None
        if hindrance := next((name for name in _OTHER_GOOGLE_KEYS if self._environment.get(name)), None):
            raise StorageDenied(
                f"{what}: {hindrance}, set where arpent runs, would replace the request's `credentials`. "
                "The operator should set GOOGLE_APPLICATION_CREDENTIALS instead."
            )
        try:
            return GCSStore(
                location.bucket,
                service_account_key=_service_account(account),
                client_options=options,
                retry_config=self._retry,
            )
        except (binascii.Error, UnicodeDecodeError, *OBSTORE_ERRORS):
            # Not even the cause is kept: a parser's message may quote the key.
            raise StorageDenied(f"{what}: `credentials` is not a base64-encoded service account JSON.") from None

    @property
    def _retry(self) -> RetryConfig:
        return {"max_retries": self._retries, "retry_timeout": timedelta(seconds=self._retry_seconds)}


def _service_account(text: str) -> str:
    """Only those fields of a service account's file that make up a key: with the field `gcs_base_url` a client could
    make arpent connect to any server. Raises ValueError, also as binascii.Error or UnicodeDecodeError."""
    fields = json.loads(base64.b64decode(text, validate=True).decode("utf-8"))
    if not isinstance(fields, dict) or account_fault(fields):
        raise ValueError("this is not a service account")
    return json.dumps({name: fields[name] for name in ACCOUNT if name in fields})


def _check(location: Location, action: str) -> None:
    """Refuse values that would change the address or break a header. Requests are also checked when they are made; this
    covers requests stored before that check existed. Raises StorageDenied without the value."""
    own = location.credentials
    written: tuple[tuple[str, str | None, Form], ...] = (
        ("the bucket", location.bucket, BUCKET),
        ("`accessKey`", own.access_key, ACCESS_KEY),
        ("`secretAccessKey`", own.secret_access_key, SECRET_KEY),
        ("`iamRoleARN`", own.iam_role_arn, ROLE),
        ("`region`", own.region, REGION),
    )
    for name, value, form in written:
        if value is not None and not form.fits(value):
            raise StorageDenied(f"Cannot {action} {location.scheme}://{location.bucket:.80}: {name} must {form.words}.")


def _name(location: Location, way: BucketAccess) -> tuple[str, str, Credentials, str]:
    """The key by which an open store is cached."""
    return location.scheme, location.bucket, location.credentials, way.source


def _reopened(retries: int, retry_seconds: float, access: SourceAccess) -> CloudObjects:
    """Unpickle a copy, with the environment of the process that it is in: no keys are pickled."""
    return CloudObjects(retries=retries, retry_seconds=retry_seconds, access=access)


class _RequestKeys:
    """A credential provider of a request's keys: if they were plain options, obstore would add the machine's
    AWS_SESSION_TOKEN."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def __call__(self) -> dict[str, object]:
        return {
            "access_key_id": self._keys.access_key,
            "secret_access_key": self._keys.secret_access_key,
            "token": self._keys.token,
            "expires_at": None,
        }


def _keys(credentials: Credentials) -> Keys | None:
    """The request's own keys; None if it has none."""
    if not (credentials.access_key and credentials.secret_access_key):
        return None
    return Keys(access_key=credentials.access_key, secret_access_key=credentials.secret_access_key)


def _role(location: Location, action: str, environment: Mapping[str, str], region: str) -> AssumedRole:
    """The role that the request names, assumed with the request's keys or else the machine's."""
    credentials = location.credentials
    assert credentials.iam_role_arn, "only called for a role"
    keys, whose = _keys(credentials), "the request's keys"
    if keys is None and environment.get("AWS_ACCESS_KEY_ID") and environment.get("AWS_SECRET_ACCESS_KEY"):
        whose = "the keys arpent has (AWS_ACCESS_KEY_ID)"
        keys = Keys(
            access_key=environment["AWS_ACCESS_KEY_ID"],
            secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            token=environment.get("AWS_SESSION_TOKEN") or None,
        )
    if keys is None:
        raise StorageDenied(
            f"Cannot {action} {location.url}: `iamRoleARN` {credentials.iam_role_arn} cannot be assumed: arpent has no "
            "keys to do it with. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY where arpent runs."
        )
    amazon = f"https://sts.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")
    return AssumedRole(
        role=credentials.iam_role_arn,
        keys=keys,
        whose=whose,
        region=region,
        endpoint=environment.get("AWS_ENDPOINT_URL_STS") or environment.get("AWS_ENDPOINT_URL") or amazon,
        external_id=credentials.external_id,
    )
