"""Profiles that hold no keys: a process that prints them, and what is said where there are none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from arpent.adapters.objects.cloud import CloudObjects
from arpent.adapters.sources import aws_chain
from arpent.adapters.sources.access import TableAccess
from arpent.domain.location import Credentials, Location
from arpent.network.access import AccessFailed
from arpent.network.source import ArchiveSource, SourceTable

Files = Callable[[str], None]


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Files:
    """Writes AWS's config file; nothing else of this machine is asked."""
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))

    def write(text: str) -> None:
        (tmp_path / "config").write_text(text)

    return write


def process(folder: Path, answer: str) -> str:
    """A profile `mine` whose process prints this."""
    script = folder / "keys.py"
    script.write_text(f"import sys\nprint({answer!r})\nprint('hunter2', file=sys.stderr)\n")
    return f"[profile mine]\nregion = eu-central-1\ncredential_process = {sys.executable} {script}\n"


def keys(table: SourceTable | None = None) -> dict[str, object]:
    source = ArchiveSource(match=("s3://bucket",), profile="mine").model_copy(update={"name": "own"})
    got = TableAccess(table or SourceTable((source,))).bucket("s3://bucket/x.tif").keys
    assert got is not None
    return dict(got())


def test_a_process_gives_keys(files: Files, tmp_path: Path) -> None:
    pytest.importorskip("botocore", reason="needs botocore: set it up with pip install 'arpent[aws]'")
    end = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    files(process(tmp_path, '{"Version": 1, "AccessKeyId": "AKIAPROCESS", "SecretAccessKey": "itssecret", '
                            f'"SessionToken": "token", "Expiration": "{end}"}}'))  # fmt: skip
    found = keys()
    assert (found["access_key_id"], found["secret_access_key"], found["token"]) == ("AKIAPROCESS", "itssecret", "token")


def test_the_variable_names_a_profile_for_all_buckets(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("botocore", reason="needs botocore: set it up with pip install 'arpent[aws]'")
    files(process(tmp_path, '{"Version": 1, "AccessKeyId": "AKIAVARIABLE", "SecretAccessKey": "itssecret"}'))
    nothing = SourceTable(())
    assert TableAccess(nothing).bucket("s3://bucket/x.tif").keys is None
    monkeypatch.setenv("AWS_PROFILE", "mine")
    assert keys(nothing)["access_key_id"] == "AKIAVARIABLE"
    assert TableAccess(nothing).bucket("s3://bucket/x.tif").region == "eu-central-1"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOWN")
    assert TableAccess(nothing).bucket("s3://bucket/x.tif").keys is None, "keys in variables go before it"


def test_a_profile_of_the_variable_without_keys_leaves_signing_to_the_machine(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files("[profile mine]\nregion = eu-central-1\n")
    monkeypatch.setenv("AWS_PROFILE", "mine")
    access = TableAccess(SourceTable(()))
    way = access.bucket("s3://bucket/x.tif")
    assert (way.keys, way.region) == (None, "eu-central-1")
    assert not access.bucket_refused("s3://bucket/x.tif", {})


@pytest.mark.parametrize("profile", ["absent", "mine"])
def test_a_request_with_keys_asks_for_no_profile_of_the_variable(
    files: Files, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    files("[profile mine]\nregion = eu-central-1\nendpoint_url = https://else.test\n")
    monkeypatch.setenv("AWS_PROFILE", profile)
    objects = CloudObjects(access=TableAccess(SourceTable(())))
    own = Credentials(access_key="AKIAOWN", secret_access_key="itssecret")
    way, keys = objects._way(Location(scheme="s3", bucket="bucket", key="x", credentials=own), "read")
    assert (way.source, way.endpoint, way.region, way.keys, keys) == ("", None, None, None, {})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[profile mine]\nsso_start_url = https://sso.test/start\nsso_region = eu-central-1\nsso_account_id = 1\n"
         "sso_role_name = r\n", "aws sso login --profile mine"),
        (None, "returns no keys"),
        ("[profile mine]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = absent\n", "returns no keys"),
        ("[profile mine]\nregion = eu-central-1\n", "it has no keys"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_and_no_secret(files: Files, tmp_path: Path, config: str | None, words: str) -> None:
    pytest.importorskip("botocore", reason="needs botocore: set it up with pip install 'arpent[aws]'")
    files(process(tmp_path, "no keys but hunter2") if config is None else config)
    with pytest.raises(AccessFailed) as caught:
        keys()
    assert words in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_without_the_library_it_says_what_to_install(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    files("[profile mine]\ncredential_process = /bin/true\n")
    monkeypatch.setitem(sys.modules, "botocore.exceptions", None)
    aws_chain._credentials.cache_clear()
    with pytest.raises(AccessFailed, match=r"arpent\[aws\]"):
        keys()
