"""Advice: text for messages that says what is missing or wrong when a source refuses a request."""

from __future__ import annotations

from urllib.parse import urlsplit

from arpent.network.source import ArchiveSource

BLOBS = ".blob.core.windows.net"
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired")
_WRONG = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthFailure")
_DENIED = ("401", "403", "AccessDenied", "AllAccessDisabled")
Rows = tuple[tuple[bool, str], ...]


def advice_on(source: ArchiveSource | None, url: str, answer: str) -> str:
    """The advice; empty if there is none. `answer`: an HTTP status, an S3 error code, `login`, `region` or `keys`."""
    if url.startswith("s3:"):
        rows = _of_bucket(source, urlsplit(url).netloc, answer)
    else:
        host = urlsplit(url).hostname or ""
        rows = _of_host(host, answer) if source is None else _of_login(source, answer)
    return next((words for applies, words in rows if applies), "")


def _of_bucket(source: ArchiveSource | None, bucket: str, answer: str) -> Rows:
    whose = f"the source {source.name}" if source else f"a source for s3://{bucket}"
    given = source or ArchiveSource()
    keyed = bool(given.access_key or given.profile or given.s3_credentials_url)
    pays = "" if given.requester_pays else f"; if its readers pay, set `requester_pays` of {whose}"
    return (
        (
            answer == "region",
            f"the bucket is not in {given.region or 'this region'}: set `region` of {whose}",
        ),
        (
            answer == "keys",
            "no keys are set for it, and this machine has none (AWS_ACCESS_KEY_ID …); if the bucket is public, set "
            f"`unsigned` of {whose}",
        ),
        (answer in _EXPIRED, f"the keys of {whose} have expired: renew them"),
        (answer in _WRONG, f"the keys of {whose} are wrong"),
        (answer == "RequestTimeTooSkewed", "this machine's clock is wrong"),
        (
            answer == "NoSuchBucket",
            f"there is no such bucket at {given.endpoint or 'this store'}: set `endpoint` of {whose}",
        ),
        (
            answer in _DENIED and bool(given.unsigned),
            f"the bucket is not public: give {whose} keys instead of `unsigned`",
        ),
        (
            answer in _DENIED,
            f"{'its keys' if keyed else 'the keys of this machine'} may not read it, or it does not exist{pays}",
        ),
    )


def _of_host(host: str, answer: str) -> Rows:
    return (
        (
            host.endswith(BLOBS) and answer in ("401", "403", "404", "409"),
            "its container may need a signature: set [sources.planetary-computer] if it is Planetary Computer's",
        ),
        (
            answer in ("401", "403", "login"),
            f"set a source for https://{host} with a `token`, or with `user` and `password`",
        ),
    )


def _of_login(source: ArchiveSource, answer: str) -> Rows:
    logs_in = bool(source.token or source.token_url or source.user or source.netrc)
    return (
        (
            source.sas_url is not None and answer in ("401", "403", "409"),
            f"the signature of source {source.name} is refused: it has expired, or this machine's clock is wrong",
        ),
        (
            logs_in and answer in ("401", "login"),
            f"the login of source {source.name} is refused: its token or password may be wrong or have expired",
        ),
        (
            logs_in and answer == "403",
            f"the user of source {source.name} may not read it, or has not agreed to its terms",
        ),
        (answer in ("401", "login"), f"give source {source.name} a `token`, or `user` and `password`"),
    )
