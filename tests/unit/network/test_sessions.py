"""Sessions: whose login a request has, and how many are under way."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from urllib3 import Retry

from arpent.adapters.objects.sigv4 import Keys
from arpent.adapters.objects.sts import AssumedRole
from arpent.adapters.sources.access import TableAccess
from arpent.adapters.sources.table import source_table
from arpent.adapters.sources.token_service import asking
from arpent.domain.errors import StorageDenied
from arpent.network.access import AccessFailed
from arpent.network.sessions import MOST_KEY_BYTES, PatientRetry, session
from arpent.network.source import ArchiveSource
from tests.support.archives import PASSWORD, USER, Archive, archive, basic
from tests.support.http_server import QuietHandler, served
from tests.support.slow_server import send_without_end, serving

TIMEOUT = (5.0, 5.0)


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    """An archive, on a machine whose netrc file has a login for every host."""
    netrc = tmp_path / "netrc"
    netrc.write_text(f"default login {USER} password {PASSWORD}\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with archive(tmp_path) as running:
        yield running


def logins(at: Archive) -> list[str | None]:
    return [headers.get("authorization") for _, headers in at.asked]


def test_the_machines_netrc_is_not_sent_unasked(at: Archive) -> None:
    """Nor after a redirect, nor to who gives keys."""
    with session(Retry(0), TIMEOUT) as plain:
        plain.get(f"{at.url}/s3credentials")
    with asking("a token", at.url, None, redirects=True) as service:
        service.get(f"{at.url}/s3credentials")
    assert [path for path, _ in at.asked] == ["/s3credentials", "/login?client=1"] * 2
    assert logins(at) == [None] * 4


def test_the_machines_netrc_replaces_no_signature(at: Archive) -> None:
    role = AssumedRole(
        role="arn:aws:iam::1:role/reader", keys=Keys(access_key="AKIA1", secret_access_key="s"),
        whose="the request's keys", region="eu-central-1", endpoint=at.url,
    )  # fmt: skip
    with pytest.raises(StorageDenied):
        role.assume()
    assert str(logins(at)[0]).startswith("AWS4-HMAC-SHA256 ")


def test_a_url_may_name_its_user(at: Archive) -> None:
    with session(Retry(0), TIMEOUT) as plain:
        plain.get(at.url.replace("://", "://me:secret@") + "/netrc")
    assert logins(at) == [basic("me", "secret")]


def test_keys_do_not_follow_a_redirect_to_another_host(at: Archive, tmp_path: Path) -> None:
    with archive(tmp_path, wants="cookie", login=at.url) as first, session(Retry(0), TIMEOUT) as plain:
        plain.get(f"{first.url}/netrc", headers={"authorization": "Bearer ours"})
    assert logins(first) == ["Bearer ours"]
    assert logins(at) == [None]


def test_a_proxy_and_certificates_of_the_machine_are_used_for_keys(
    at: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", at.url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/certificates.pem")
    with asking("a token", "http://keys.test", None) as service:
        service.get("http://keys.test/oidc/token")
        told = service.merge_environment_settings("https://keys.test", {}, None, None, None)
    assert [path for path, _ in at.asked] == ["http://keys.test/oidc/token"]
    assert told["verify"] == "/certificates.pem"


def test_no_more_connections_than_the_source_allows(tmp_path: Path) -> None:
    with ExitStack() as stack:
        at = stack.enter_context(archive(tmp_path, pause=0.01))
        entry = ArchiveSource.model_validate({"match": at.url, "connections": 2})
        access = TableAccess(source_table({"mine": entry}, ()))

        def ask(_: int) -> int:
            with session(Retry(0), TIMEOUT, access=access) as own:
                return own.get(f"{at.url}/none").status_code

        assert set(stack.enter_context(ThreadPoolExecutor(8)).map(ask, range(40))) == {404}
        assert 1 <= at.most_in_flight <= 2


def test_an_answer_is_read_no_further_than_it_may_be() -> None:
    """Its server never ends it, and says no length."""
    with (
        serving(send_without_end) as url,
        session(Retry(0), TIMEOUT, most_bytes=100_000) as made,
        pytest.raises(requests.exceptions.ContentDecodingError, match="longer than 100000 bytes"),
    ):
        made.get(url)


def test_who_gives_keys_is_read_no_further_than_keys_are_long() -> None:
    class Handler(QuietHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(MOST_KEY_BYTES + 1))
            self.end_headers()
            self.wfile.write(b" " * (MOST_KEY_BYTES + 1))

    with (
        served(Handler) as url,
        pytest.raises(AccessFailed, match="AnswerTooLong"),
        asking("a token", url, None) as made,
    ):
        made.get(url)


@pytest.mark.parametrize("asked", ["soon", "1.5", "9" * 5000, "Fri, 31 Dec 99999 23:59:59 GMT", "Wed, 21 Foo", "\xb2"])
def test_a_pause_that_nobody_can_read_is_not_kept(asked: str) -> None:
    """The request is repeated as if none was asked for: it failed, as a redirect to nowhere."""
    statuses = [429, 429, 200]

    class Busy(QuietHandler):
        def do_GET(self) -> None:
            self.send_response(statuses.pop(0))
            self.send_header("retry-after", asked)
            self.send_header("content-length", "0")
            self.end_headers()

    retry = PatientRetry(total=3, backoff_factor=0.001, status_forcelist=[429], raise_on_status=False)
    with served(Busy) as url:
        assert session(retry, TIMEOUT).get(url).status_code == 200
