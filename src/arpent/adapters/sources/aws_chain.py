"""AWS chain: keys for AWS profiles that get them from single sign-on, a process, a role or a web identity, by
botocore."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from arpent.network.access import AccessFailed
from arpent.network.source import ArchiveSource

CHAINS = ("sso_session", "sso_start_url", "role_arn", "credential_process", "web_identity_token_file")
"""Settings of a profile that say where its keys come from."""
LOGGED_OUT = ("SSOTokenLoadError", "UnauthorizedSSOTokenError", "TokenRetrievalError")
"""Errors of botocore after which the user has to log in."""


def chain_keys(source: ArchiveSource) -> tuple[str, str, str | None]:
    """Access key, secret key and session token, which botocore renews before they expire. Raises AccessFailed, whose
    text never quotes the output of a process or service, because that may contain a secret."""
    what = f"its source {source.name} names profile {source.profile}"
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise AccessFailed(f"{what}, whose keys come from elsewhere: pip install 'arpent[aws]'") from None
    try:
        files = tuple(os.environ.get(name) for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"))
        held = _credentials(str(source.profile), files)
        keys = None if held is None else held.get_frozen_credentials()
    except (BotoCoreError, ClientError, OSError, ValueError, LookupError) as error:
        kind = type(error).__name__
        advice = (
            f"run `aws sso login --profile {source.profile}`"
            if kind in LOGGED_OUT
            else "see `aws sts get-caller-identity`"
        )
        raise AccessFailed(f"{what}: it returns no keys ({kind}); {advice}") from None
    if keys is None or not (keys.access_key and keys.secret_key):
        raise AccessFailed(f"{what}: it returns no keys; see `aws sts get-caller-identity`")
    return keys.access_key, keys.secret_key, keys.token


@lru_cache(maxsize=64)
def _credentials(profile: str, _files: tuple[str | None, ...]) -> Any:
    """botocore's credentials of a profile, which know when they expire. `_files`: the variables that name the AWS
    files, here only as part of the cache key."""
    from botocore.session import Session

    return Session(profile=profile).get_credentials()
