"""Location: an object or a prefix in a bucket, with the credentials that open it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

REQUEST_ID, ID, IDENTIFIER = "<REQUEST_ID>", "<ID>", "<IDENTIFIER>"
"""What an output's key may hold in place of the job's id, the feature's id and its identifier (sentinelhub.md 2.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a request says about access; empty means: what the machine has."""

    access_key: str | None = None
    """S3 access key id."""
    secret_access_key: str | None = field(default=None, repr=False)
    """S3 secret; never shown."""
    region: str | None = None
    """AWS region name."""
    iam_role_arn: str | None = None
    """Role to assume."""
    external_id: str | None = None
    """What tells the role's owner for which client of ours it is assumed."""
    service_account: str | None = field(default=None, repr=False)
    """Google service account JSON, base64; never shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """`scheme://bucket/key`."""

    scheme: str
    """`s3` or `gs`."""
    bucket: str
    """Bucket name."""
    key: str
    """Object key or prefix, no leading slash."""
    credentials: Credentials = Credentials()
    """What opens it."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"

    def at(self, key: str) -> Location:
        """The same bucket and credentials, another key."""
        return replace(self, key=key)

    def child(self, name: str) -> Location:
        """An object below this prefix."""
        prefix = self.key.rstrip("/")
        return self.at(f"{prefix}/{name}" if prefix else name)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureFile(Location):
    """A file of features, and what of its columns counts."""

    identifier: str | None = None
    """Column that holds the identifiers; None: `identifier`, if there is such a column (sentinelhub.md 2.1)."""
    columns: tuple[str, ...] | None = ()
    """Columns that the results carry; None: all."""
    local: bool = False
    """A file of whoever runs this process: any format that GDAL reads, in any CRS that PROJ knows."""
