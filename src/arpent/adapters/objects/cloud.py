"""Cloud: ObjectStore on obstore: S3 and compatible stores, Google Cloud Storage."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import obstore
from obstore.store import GCSStore, S3Store

from arpent.adapters.objects.cloud_errors import OBSTORE_ERRORS, panics_told, storage_error
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
from arpent.domain.errors import StorageDenied, WorldError
from arpent.domain.location import Credentials, Location

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ClientConfig, RetryConfig

IN_FLIGHT = 32
"""Number of concurrent requests."""
BATCH = 1024
"""Entries taken from the caller's iterator at a time; bounds memory."""
CHUNK = 16 << 20
"""Bytes per range of a download."""
RETRIES = 6
"""Retries of one request, with backoff and jitter …"""
RETRY_SECONDS = 60
"""… and within this many seconds."""
MOST_STORES = 256
"""Number of buckets that stay open, with their keys."""
_TIMEOUTS: ClientConfig = {"timeout": "120s", "connect_timeout": "10s"}
_OTHER_GOOGLE_KEYS = (
    "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH", "GOOGLE_BEARER_TOKEN", "GOOGLE_SKIP_SIGNATURE",
)  # fmt: skip
"""Variables that obstore would prefer to the keys that it is given."""
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


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
    ) -> None:
        self._environment = dict(os.environ if environment is None else environment)
        self._retries = retries
        self._retry_seconds = retry_seconds
        self._stores: dict[tuple[str, str, Credentials], S3Store | GCSStore] = {}
        self._roles: dict[Credentials, RoleKeys] = {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[object, ...]:
        return (_reopened, (self._retries, self._retry_seconds))

    def read(self, location: Location, most: int | None = None) -> bytes:
        store = self._store(location, "read")
        try:
            with panics_told(location, "read"):
                found = obstore.get(store, location.key)
                check_size(location, found.meta["size"], most)
                return bytes(found.bytes())
        except OBSTORE_ERRORS as error:
            raise self._explained(error, location, "read") from None

    def download(self, location: Location, path: Path, most: int | None = None) -> None:
        """By ranges, so that no single request takes long; an object that changes meanwhile is a transient error."""
        store = self._store(location, "read")
        partial = path.with_name(path.name + ".part")
        try:
            with panics_told(location, "read"):
                about = obstore.head(store, location.key)
            check_size(location, about["size"], most)
            tag = about["e_tag"]
            with partial.open("wb") as copy:
                for start in range(0, about["size"], CHUNK):
                    span = (start, min(start + CHUNK, about["size"]))
                    answer = obstore.get(
                        store, location.key, options={"range": span, **({"if_match": tag} if tag else {})}
                    )
                    copy.write(answer.bytes())
            partial.replace(path)
        except OBSTORE_ERRORS as error:
            partial.unlink(missing_ok=True)
            raise self._explained(error, location, "read") from None

    def write(self, location: Location, payload: bytes) -> None:
        store = self._store(location, "write")
        try:
            with panics_told(location, "write"):
                obstore.put(store, location.key, payload, use_multipart=len(payload) > CHUNK)
        except OBSTORE_ERRORS as error:
            raise self._explained(error, location, "write") from None

    def write_many(self, prefix: Location, entries: Iterable[tuple[str, bytes]]) -> None:
        self._store(prefix, "write")
        remaining = iter(entries)
        with ThreadPoolExecutor(IN_FLIGHT, "cloud-objects") as pool:
            while batch := list(islice(remaining, BATCH)):
                for _ in pool.map(lambda entry: self.write(prefix.at(entry[0]), entry[1]), batch):
                    pass

    def list(self, prefix: Location) -> Iterator[str]:
        store = self._store(prefix, "list")
        try:
            pages = obstore.list(store, prefix.key.rstrip("/") or None)
            while page := self._page(pages, prefix):
                for entry in page:
                    yield entry["path"]
        except OBSTORE_ERRORS as error:
            raise self._explained(error, prefix, "list") from None

    def _page(self, pages: Iterator[Sequence[ObjectMeta]], prefix: Location) -> Sequence[ObjectMeta]:
        with panics_told(prefix, "list"):
            return next(pages, ())

    def _store(self, location: Location, action: str) -> S3Store | GCSStore:
        key = (location.scheme, location.bucket, location.credentials)
        with self._lock:
            store = self._stores.get(key)
            if store is None:
                if location.scheme not in ("s3", "gs"):
                    raise StorageDenied(f"Cannot {action} {location.url}: only s3:// and gs:// are supported.")
                _check(location, action)
                with panics_told(location, action):
                    store = self._s3(location, action) if location.scheme == "s3" else self._gcs(location, action)
                while len(self._stores) >= MOST_STORES:
                    self._roles.pop(next(iter(self._stores))[2], None)
                    self._stores.pop(next(iter(self._stores)))
                self._stores[key] = store
            return store

    def _explained(self, error: Exception, location: Location, action: str) -> WorldError:
        """The error in words; if a role gave no keys, the reason for that."""
        role = self._roles.get(location.credentials)
        if role is not None and role.failure is not None:
            why = role.failure
            return type(why)(f"Cannot {action} {location.url}: {why}", transient=why.transient)
        return storage_error(error, location, action)

    def _s3(self, location: Location, action: str) -> S3Store:
        credentials, environment = location.credentials, self._environment
        endpoint = next((environment[name] for name in _ENDPOINTS if environment.get(name)), None)
        region = (
            credentials.region or environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
        )
        if not MACHINE_REGION.fits(region):
            raise StorageDenied(f"Cannot {action} {location.url}: AWS_REGION must {MACHINE_REGION.words}.")
        provider: RoleKeys | _RequestKeys | None = None
        if credentials.iam_role_arn:
            provider = self._roles.setdefault(credentials, RoleKeys(_role(location, action, environment, region)))
        elif keys := _keys(credentials):
            provider = _RequestKeys(keys)
        options: ClientConfig = {**_TIMEOUTS}
        if endpoint and endpoint.startswith("http://"):
            options["allow_http"] = True
        return S3Store(
            location.bucket,
            region=region,
            retry_config=self._retry,
            client_options=options,
            **({"endpoint": endpoint, "virtual_hosted_style_request": False} if endpoint else {}),  # type: ignore[arg-type]
            **({"credential_provider": provider} if provider else {}),  # type: ignore[arg-type]
        )

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
    """The fields of a service account's file that make it a key, and no others: with `gcs_base_url` a client could make
    arpent connect to any server. Raises ValueError, also as binascii.Error or UnicodeDecodeError."""
    fields = json.loads(base64.b64decode(text, validate=True).decode("utf-8"))
    if not isinstance(fields, dict) or account_fault(fields):
        raise ValueError("this is no service account")
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


def _reopened(retries: int, retry_seconds: float) -> CloudObjects:
    """A copy in another process, which takes that process's environment: no keys are pickled."""
    return CloudObjects(retries=retries, retry_seconds=retry_seconds)


class _RequestKeys:
    """The keys of a request as a credential provider: to keys in plain options obstore adds the machine's
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
    """The request's own keys; None: obstore's AWS_* chain signs."""
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
