"""TableAccess: the keys of every source, each fetched once for all threads of a process and renewed before it
expires."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from threading import Lock
from typing import Any

from arpent.adapters.sources.advice import advice_on
from arpent.adapters.sources.bucket_keys import ProfileOptions, keys_of, profile_options
from arpent.adapters.sources.connections import ConnectionSlots
from arpent.adapters.sources.logins import login_of
from arpent.adapters.sources.signatures import container_of, signed, token_for
from arpent.network.access import AuthorizedRequest, BucketAccess
from arpent.network.policy import EgressPolicy
from arpent.network.renewal import Renewed, TimedKey
from arpent.network.source import ArchiveSource, SourceTable

_EVERY_BUCKET = ("s3://every-bucket",)
"""Placeholder `match` of the source made from AWS_PROFILE, which applies to every bucket; it is never compared."""
MOST_KEYS = 1024
"""Maximum number of tokens and keys kept: one per source, or per container for sources with a signing service."""


class TableAccess:
    """SourceAccess for a source table. Thread-safe; picklable, since the table only says where secrets are stored."""

    def __init__(self, table: SourceTable, policy: EgressPolicy | None = None) -> None:
        """`policy`: where requests to services that issue keys may go; None: anywhere."""
        self.table = table
        self._policy = policy
        self._kept: dict[tuple[str, ...], Renewed[Any]] = {}
        self._signs: dict[tuple[str, str, str], bool] = {}
        """(source, account, container) → whether the signing service gave a token for it at the last request."""
        self._connection_slots: dict[str, ConnectionSlots] = {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[object, ...]:
        return (TableAccess, (self.table, self._policy))

    def request(self, url: str) -> AuthorizedRequest:
        source = self.table.of(url) or self.table.login_at(url)
        if source is None:
            return AuthorizedRequest(url=url)
        if source.sas_url is not None:
            token = self._token(source, url).get()
            return AuthorizedRequest(url=signed(url, token), unsigned=not token)
        login = self._login(source, url).get()
        headers = {"authorization": login} if login else {}
        return AuthorizedRequest(url=url, headers=headers, keeps_cookies=source.login_host is not None)

    def refused(self, asked: AuthorizedRequest) -> bool:
        source = self.table.of(asked.url) or self.table.login_at(asked.url)
        if source is None:
            return False
        if source.sas_url is not None:
            token = self._token(source, asked.url)
            held = token.get()
            return asked.url != signed(asked.url, held) or token.refuse(held)
        sent = asked.headers.get("authorization")
        return sent is not None and self._login(source, asked.url).refuse(sent)

    def bucket(self, url: str, *, own_keys: bool = False) -> BucketAccess:
        source = self.table.of(url) if own_keys else self._bucket_source(url)
        if source is None:
            return BucketAccess()
        keys = self._keys(source)
        named = self._options(source)
        endpoint = source.endpoint or named.endpoint
        return BucketAccess(
            source=source.name,
            endpoint=endpoint,
            region=source.region or named.region,
            path_style=source.path_style if source.path_style is not None or endpoint is None else True,
            unsigned=source.unsigned,
            requester_pays=source.requester_pays,
            keys=None if keys is None else keys.get,
        )

    def bucket_refused(self, url: str, keys: Mapping[str, object]) -> bool:
        source = self._bucket_source(url)
        held = None if source is None else self._keys(source)
        return held is not None and held.refuse(dict(keys))

    def connection_slot(self, url: str) -> AbstractContextManager[None]:
        source = self.table.of(url)
        if source is None or source.connections is None:
            return nullcontext()
        with self._lock:
            if source.name not in self._connection_slots:
                self._connection_slots[source.name] = ConnectionSlots(source.name, source.connections)
            return self._connection_slots[source.name].take()

    def alternate(self, url: str) -> str | None:
        source = self.table.of(url)
        return None if source is None else source.alternate

    def advice(self, url: str, answer: str) -> str:
        return advice_on(self.table.of(url), url, answer)

    def _bucket_source(self, url: str) -> ArchiveSource | None:
        """The source of a bucket: from the table, else the profile in AWS_PROFILE unless AWS_ACCESS_KEY_ID is set."""
        profile = os.environ.get("AWS_PROFILE")
        found = self.table.of(url)
        if found is not None or not profile or os.environ.get("AWS_ACCESS_KEY_ID") or not url.startswith("s3://"):
            return found
        # Its `match` is never compared, because it is not an entry of the table.
        return ArchiveSource(match=_EVERY_BUCKET, profile=profile).model_copy(update={"name": "AWS_PROFILE"})

    def _options(self, source: ArchiveSource) -> ProfileOptions:
        if not source.profile:
            return ProfileOptions()
        options: ProfileOptions = self._of((source.name, "profile"), partial(profile_options, source)).get()
        return options

    def _token(self, source: ArchiveSource, url: str) -> Renewed[str]:
        account, container = container_of(source, url)
        place = (source.name, account, container)

        def fetch() -> TimedKey[str]:
            lease = token_for(source, account, container, self._policy, signs=self._signs.get(place))
            if len(self._signs) >= MOST_KEYS:
                self._signs.clear()
            self._signs[place] = bool(lease.key)
            return lease

        return self._of(place, fetch)

    def _login(self, source: ArchiveSource, url: str) -> Renewed[str]:
        host = url.split("/", 3)[2] if source.netrc or source.login_host else ""
        return self._of((source.name, "login", host), partial(login_of, source, self._policy, url))

    def _keys(self, source: ArchiveSource) -> Renewed[dict[str, Any]] | None:
        get = keys_of(source, self._policy)
        if source.match == _EVERY_BUCKET and not self._options(source).signs:
            return None  # AWS_PROFILE names a profile without keys: the machine's default chain signs
        return None if get is None else self._of((source.name, "s3"), get)

    def _of(self, name: tuple[str, ...], fetch: Callable[[], Any]) -> Renewed[Any]:
        with self._lock:
            kept = self._kept.get(name)
            if kept is None:
                while len(self._kept) >= MOST_KEYS:
                    self._kept.pop(next(iter(self._kept)))
                kept = self._kept[name] = Renewed(fetch)
            return kept
