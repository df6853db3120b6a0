"""Location: an object or prefix in a bucket, with credentials for it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

REQUEST_ID, ID, IDENTIFIER = "<REQUEST_ID>", "<ID>", "<IDENTIFIER>"
"""Placeholders in an output key for the job's id, the feature's id and the feature's identifier (sentinelhub.md 2.1).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Credentials given in a request. If all fields are empty, those of the machine are used."""

    access_key: str | None = None
    """S3 access key id."""
    secret_access_key: str | None = field(default=None, repr=False)
    """S3 secret key; never shown."""
    region: str | None = None
    """AWS region name."""
    iam_role_arn: str | None = None
    """ARN of the role to assume."""
    external_id: str | None = None
    """External id sent when assuming the role, so that its owner knows for which client it is assumed."""
    service_account: str | None = field(default=None, repr=False)
    """Google service account JSON, base64; never shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """An object or prefix: `scheme://bucket/key`, with credentials."""

    scheme: str
    """`s3` or `gs`."""
    bucket: str
    """Name of the bucket."""
    key: str
    """Object key or prefix, without a leading slash."""
    credentials: Credentials = Credentials()
    """Credentials to access the object or prefix."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.bucket}/{self.key}"

    def at(self, key: str) -> Location:
        """The location with another key in the same bucket, with the same credentials."""
        return replace(self, key=key)

    def child(self, name: str) -> Location:
        """The location of an object below this prefix: `s3://b/a`.child("c") is `s3://b/a/c`."""
        prefix = self.key.rstrip("/")
        return self.at(f"{prefix}/{name}" if prefix else name)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureFile(Location):
    """A features file, and which of its columns are used."""

    identifier: str | None = None
    """Column that holds the identifiers; None: `identifier`, if there is such a column (sentinelhub.md 2.1)."""
    columns: tuple[str, ...] | None = ()
    """Columns to copy into the results; None: all."""
    local: bool = False
    """Whether the file belongs to the user who runs this process; then it may have any format that GDAL reads and any
    CRS that PROJ knows."""
