"""STS: temporary S3 keys by assuming a role at a Security Token Service of AWS or Ceph (`iamRoleARN`,
sentinelhub.md 2.1)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from urllib.parse import quote, urlencode, urlsplit

import requests
from urllib3 import Retry

from arpent.adapters.objects.sigv4 import Keys, signed_form
from arpent.domain.boundary.address_grammar import MACHINE_REGION, ROLE
from arpent.domain.boundary.wanted import varied
from arpent.domain.errors import StorageDenied, StorageUnavailable, WorldError
from arpent.network.deadline import within
from arpent.network.passing import is_passing
from arpent.network.sessions import MOST_KEY_BYTES, session

SESSION = "arpent"
"""RoleSessionName; appears in the bucket owner's log."""
SECONDS = 3600
"""Lifetime of keys in seconds: every role allows an hour, and a role assumed by a role gets no more."""
RENEWAL = timedelta(minutes=10)
"""Keys are renewed this long before they expire, or after three quarters of their lifetime if that is later. obstore
asks for new keys five minutes before the end, so a late answer costs nothing until then."""
TRIES = 3
TIMEOUT, WHOLE_SECONDS = (5.0, 20.0), 40.0
"""Seconds to connect and between two bytes, and for the whole answer."""
PAUSE = timedelta(seconds=30)
"""Pause between tries to renew keys that are still valid."""

_FIXES = {
    "AccessDenied": "Its trust policy must allow sts:AssumeRole to the owner of {whose}; or their secret is wrong.",
    "NoSuchEntity": "There is no such role.",
    "InvalidArgument": "Write it as the store shows it: arn:aws:iam::ACCOUNT:role/NAME.",
    "ValidationError": "Write it as the store shows it: arn:aws:iam::ACCOUNT:role/NAME.",
    "InvalidClientTokenId": "The service does not know {whose}.",
    "InvalidAccessKeyId": "The service does not know {whose}.",
    "UnrecognizedClientException": "The service does not know {whose}.",
    "SignatureDoesNotMatch": "The secret of {whose} is wrong, or this machine's clock.",
    "ExpiredToken": "{whose} have expired.",
    "ExpiredTokenException": "{whose} have expired.",
    "RegionDisabledException": "Its account does not serve this region; set `region`.",
}
"""Error code of the service → how to fix it."""
_NO_SERVICE = "Is this a Security Token Service? Set AWS_ENDPOINT_URL_STS to the one of your store."


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryKeys:
    """Keys that expire."""

    keys: Keys
    """The keys with their session token."""
    expires: datetime
    """When they expire; aware."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedRole:
    """A role, and how to assume it. Raises StorageDenied if role or region could change an address or a header."""

    role: str
    """arn:aws:iam::…:role/…"""
    keys: Keys
    """Keys that may assume the role."""
    whose: str
    """Owner of those keys in words, for messages."""
    region: str
    """Region of the STS endpoint."""
    endpoint: str
    """URL of the service: https://sts.eu-central-1.amazonaws.com."""
    external_id: str | None = None
    """External id that the role's trust policy may demand, so that no client of arpent uses another's role."""
    seconds: int = SECONDS
    """Lifetime of the keys in seconds."""

    def __post_init__(self) -> None:
        for name, value, form in (("`iamRoleARN`", self.role, ROLE), ("the region", self.region, MACHINE_REGION)):
            if not form.fits(value):
                raise StorageDenied(f"A role cannot be assumed: {name} must {form.words}.")

    def assume(self) -> TemporaryKeys:
        """Temporary keys, by one request to this endpoint only. Raises StorageDenied or StorageUnavailable, naming role
        and fix."""
        asked = {
            "Action": "AssumeRole",
            "DurationSeconds": str(self.seconds),
            "RoleArn": self.role,
            "RoleSessionName": SESSION,
            "Version": "2011-06-15",
            **({"ExternalId": self.external_id} if self.external_id else {}),
        }
        form = urlencode(asked, quote_via=quote)
        now = datetime.now(UTC)
        headers = signed_form(self.endpoint, form, self.keys, self.region, "sts", now)
        try:
            # A redirect would take keys, signature and token to an address that the operator has not named.
            with within(WHOLE_SECONDS) as deadline, session(Retry(0), TIMEOUT, most_bytes=MOST_KEY_BYTES) as talk:
                answer = talk.post(f"{self.endpoint.rstrip('/')}/", data=form, headers=headers, allow_redirects=False)
            cut_off = "no complete answer in time" if deadline.passed else ""
        except requests.RequestException as error:
            cut_off = type(error).__name__
        if cut_off:
            raise self._unavailable(f"{urlsplit(self.endpoint).netloc} does not answer ({cut_off}).")
        if 300 <= answer.status_code < 400:
            raise StorageDenied(
                f"{self._what}: {urlsplit(self.endpoint).netloc} redirects (HTTP "
                f"{answer.status_code}), and keys are not sent to another server. {_NO_SERVICE}"
            )
        if not answer.ok:
            raise self._refusal(answer.status_code, answer.text)
        found = {name: _element(answer.text, name) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")}
        if not all(found.values()):
            raise StorageDenied(f"{self._what}: {urlsplit(self.endpoint).netloc} sends no keys. {_NO_SERVICE}")
        expires = _element(answer.text, "Expiration")
        return TemporaryKeys(
            keys=Keys(
                access_key=str(found["AccessKeyId"]),
                secret_access_key=str(found["SecretAccessKey"]),
                token=found["SessionToken"],
            ),
            expires=datetime.fromisoformat(expires) if expires else now + timedelta(seconds=self.seconds),
        )

    @property
    def _what(self) -> str:
        return f"`iamRoleARN` {self.role} cannot be assumed"

    def _unavailable(self, reason: str) -> StorageUnavailable:
        return StorageUnavailable(f"{self._what}: {reason}", transient=True)

    def _refusal(self, status: int, text: str) -> WorldError:
        code = _element(text, "Code") or f"HTTP {status}"
        if is_passing(status, code):
            return self._unavailable(f"the Security Token Service answers {code}.")
        fix = _FIXES.get(code, _NO_SERVICE).format(whose=self.whose)
        trust = f" ExternalId is {self.external_id}." if self.external_id and code == "AccessDenied" else ""
        return StorageDenied(f"{self._what}: the Security Token Service answers {code}. {fix}{trust}")


class RoleKeys:
    """A credential provider for obstore: caches temporary keys, and renews them before they end."""

    def __init__(self, role: AssumedRole, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.failure: WorldError | None = None
        """Why there are no keys now; obstore only reports that there are none."""
        self._role = role
        self._now = now
        self._held: TemporaryKeys | None = None
        self._renew_at = datetime.min.replace(tzinfo=UTC)
        self._lock = Lock()

    def __call__(self) -> dict[str, object]:
        """The current keys. Raises StorageDenied or StorageUnavailable, except while old keys are valid and the service
        is only unavailable."""
        with self._lock:
            if self._held is None or self._now() >= self._renew_at:
                self._renew()
            assert self._held is not None, "a renewal that fails raises, or leaves the old keys"
            return {
                "access_key_id": self._held.keys.access_key,
                "secret_access_key": self._held.keys.secret_access_key,
                "token": self._held.keys.token,
                "expires_at": self._held.expires,
            }

    def _renew(self) -> None:
        try:
            self._held = held = self._patiently()
        except WorldError as error:
            if not error.transient or self._held is None or self._now() >= self._held.expires:
                self.failure = error
                raise
            self._renew_at = min(self._now() + PAUSE, self._held.expires)
        else:
            lasts = held.expires - self._now()
            self._renew_at = held.expires - min(RENEWAL, lasts / 4)
            self.failure = None

    def _patiently(self) -> TemporaryKeys:
        for number in range(TRIES - 1):
            try:
                return self._role.assume()
            except StorageUnavailable:
                time.sleep(varied(0.5 * 2**number))
        return self._role.assume()


def _element(text: str, name: str) -> str | None:
    """The text of the first XML element of that name; answers have no nesting and no attributes."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return found[1] if found else None
