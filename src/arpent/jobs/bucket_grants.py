"""Bucket grants: which buckets and prefixes a client may use with the server's own access (its folder of buckets, or
its keys). A request with its own keys or role needs no grant: the owner of those keys has allowed the access."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arpent.domain.boundary.address_grammar import BUCKET
from arpent.domain.boundary.client_ids import id_in_paths
from arpent.domain.errors import InvalidRequest
from arpent.domain.location import Location
from arpent.domain.request import Request

CLIENT_ID = "<CLIENT_ID>"
"""Placeholder in grants and in ARPENT_BUCKETS for the client's id, as `id_in_paths` writes it."""
EVERYBODY = "*"
"""As a client, stands for every client; as a grant, for everything."""
SETTING = "ARPENT_BUCKET_GRANTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketGrants:
    """Grants of one client."""

    client: str
    """The client's id."""
    granted: tuple[str, ...] | None = None
    """Entries `bucket`, `bucket/prefix` or `*`; None: no grants are configured, and everything may be used."""
    folder: bool = False
    """Whether buckets are folders, for which keys in a request have no meaning."""

    def allows(self, location: Location) -> bool:
        """Whether the client may use this object or prefix."""
        own = location.credentials
        brings_keys = bool(own.access_key or own.service_account or own.iam_role_arn)
        if self.granted is None or (brings_keys and not self.folder):
            return True
        return any(_covers(_filled_in(grant, self.client), location) for grant in self.granted)

    def places(self, buckets: Sequence[str]) -> list[str]:
        """The parts of these buckets that the client may use, each as `bucket` or `bucket/prefix`."""
        if self.granted is None or EVERYBODY in self.granted:
            return list(buckets)
        named = {_filled_in(grant, self.client).rstrip("/") for grant in self.granted}
        return sorted(each for each in named if each.partition("/")[0] in buckets)

    def refusal(self, location: Location) -> str:
        """Message: why the client may not use the location, and what to do about it."""
        keys = "" if self.folder else " with the server's own keys; send keys with the request"
        return (
            f"this client may not use bucket {location.bucket!r} there{keys}: an operator can grant it with {SETTING}, "
            f"for client {self.client}"
        )

    def check(self, request: Request) -> None:
        """Refuse a request that names a bucket or prefix its client may not use. Raises InvalidRequest, naming the
        field."""
        places = (
            ("input->features", request.features),
            ("aggregation->evalscriptReference", request.script),
            ("output", request.output),
        )
        for name, location in places:
            if isinstance(location, Location) and not self.allows(location):
                raise InvalidRequest.at(f"{name}->{location.scheme}->url", self.refusal(location))


def grants_of(grants: Mapping[str, Sequence[str]], client: str, *, folder: bool) -> BucketGrants:
    """The client's grants according to the setting; if the setting has no grants, every client may use everything."""
    if not grants:
        return BucketGrants(client=client, folder=folder)
    return BucketGrants(client=client, granted=(*grants.get(client, ()), *grants.get(EVERYBODY, ())), folder=folder)


def is_grant(entry: str) -> bool:
    """Whether an entry of the setting has a valid form: `bucket`, `bucket/prefix` or `*`."""
    bucket, _, prefix = entry.replace(CLIENT_ID, "0").partition("/")
    return entry == EVERYBODY or (BUCKET.fits(bucket) and not {".", ".."} & set(prefix.split("/")))


def client_folder(path: str, client: str) -> str:
    """A folder of buckets with the client's id filled in."""
    return _filled_in(path, client)


def _filled_in(text: str, client: str) -> str:
    return text.replace(CLIENT_ID, id_in_paths(client))


def _covers(grant: str, location: Location) -> bool:
    """Whether the grant covers the location. Prefixes end at folders: `b/a` covers `b/a` and `b/a/x`, but not
    `b/ab`."""
    if grant == EVERYBODY:
        return True
    bucket, _, prefix = grant.partition("/")
    prefix = prefix.strip("/")
    key = location.key
    return bucket == location.bucket and (not prefix or key == prefix or key.startswith(f"{prefix}/"))
