"""Assuming a role: what is asked, what becomes of the answer, and keys that are renewed before they end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from arpent.adapters.objects import sts as sts_role
from arpent.adapters.objects.sigv4 import Keys, derived_key, signed_form
from arpent.adapters.objects.sts import AssumedRole, RoleKeys
from arpent.domain.errors import StorageDenied, StorageUnavailable
from arpent.network.sessions import MOST_KEY_BYTES
from tests.support.http_server import QuietHandler, served

START = datetime(2030, 1, 1, tzinfo=UTC)
SECRET = "TOPSECRET"


def answer(expires: str = "2030-01-01T01:00:00Z", number: int = 1) -> str:
    return (
        f"<AssumeRoleResponse><Credentials><AccessKeyId>ASIA{number}</AccessKeyId><SecretAccessKey>s/+=</SecretAccessKey>"
        f"<SessionToken>token</SessionToken><Expiration>{expires}</Expiration></Credentials></AssumeRoleResponse>"
    )


def refusal(code: str) -> str:
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>at length</Message></Error></ErrorResponse>"


@dataclass
class Sts:
    url: str = ""
    answers: list[tuple[int, str]] = field(default_factory=lambda: [(200, answer())])
    """The last one is given again and again."""
    asked: list[dict[str, list[str]]] = field(default_factory=list)
    authorization: str = ""


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sts]:
    monkeypatch.setattr(sts_role.time, "sleep", lambda _: None)
    state = Sts()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            state.asked.append(parse_qs(self.rfile.read(int(self.headers["content-length"])).decode()))
            state.authorization = self.headers["authorization"]
            status, text = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", text)
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

    with served(Handler) as state.url:
        yield state


def role(sts: Sts, external_id: str | None = None) -> AssumedRole:
    return AssumedRole(
        role="arn:aws:iam::1:role/reader", keys=Keys(access_key="AKIA1", secret_access_key=SECRET),
        whose="the request's keys", region="eu-central-1", endpoint=sts.url, external_id=external_id,
    )  # fmt: skip


class Now:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


def test_the_signing_key_is_that_of_the_published_example() -> None:
    # The worked example of the public Signature Version 4 documentation.
    key = derived_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215", "us-east-1", "iam")
    assert key.hex() == "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"


def test_a_token_is_signed_too() -> None:
    keys = Keys(access_key="ASIA", secret_access_key="x", token="the-token")
    headers = signed_form("https://sts.example.org", "a=b", keys, "eu-central-1", "sts", START)
    assert headers["x-amz-security-token"] == "the-token"
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token," in headers["authorization"]
    assert "/20300101/eu-central-1/sts/aws4_request" in headers["authorization"]


def test_temporary_keys(sts: Sts) -> None:
    keys = RoleKeys(role(sts, "client-7"), Now())()
    assert (keys["access_key_id"], keys["secret_access_key"], keys["token"]) == ("ASIA1", "s/+=", "token")
    assert keys["expires_at"] == START + timedelta(hours=1)
    (asked,) = sts.asked
    assert asked["RoleArn"] == ["arn:aws:iam::1:role/reader"]
    assert asked["ExternalId"] == ["client-7"]
    assert asked["DurationSeconds"] == ["3600"]
    assert "/eu-central-1/sts/aws4_request" in sts.authorization


def test_no_external_id_is_sent_without_one(sts: Sts) -> None:
    role(sts).assume()
    assert "ExternalId" not in sts.asked[0]


@pytest.mark.parametrize("expires", ["2030-01-01T01:00:00Z", "2030-01-01T01:00:00.123456789Z"])
def test_the_end_is_read_as_amazon_and_ceph_write_it(sts: Sts, expires: str) -> None:
    sts.answers = [(200, answer(expires))]
    assert role(sts).assume().expires.replace(microsecond=0) == START + timedelta(hours=1)


@pytest.mark.parametrize(
    ("status", "code", "fix"),
    [
        (403, "AccessDenied", r"trust policy must allow sts:AssumeRole to the owner of the request's keys.*client-7"),
        (404, "NoSuchEntity", "There is no such role"),
        (400, "ValidationError", "arn:aws:iam::ACCOUNT:role/NAME"),
        (403, "InvalidClientTokenId", "does not know the request's keys"),
        (403, "SignatureDoesNotMatch", "secret of the request's keys is wrong, or this machine's clock"),
        (405, "MethodNotAllowed", "AWS_ENDPOINT_URL_STS"),
    ],
)
def test_a_refusal_names_field_role_reason_and_fix(sts: Sts, status: int, code: str, fix: str) -> None:
    sts.answers = [(status, refusal(code))]
    pattern = rf"`iamRoleARN` arn:aws:iam::1:role/reader .*answers {code}.*{fix}"
    with pytest.raises(StorageDenied, match=pattern) as caught:
        RoleKeys(role(sts, "client-7"))()
    assert SECRET not in str(caught.value)
    assert not caught.value.transient
    assert len(sts.asked) == 1, "asking again cannot help"


def test_what_is_no_token_service_is_said(sts: Sts) -> None:
    sts.answers = [(200, "<html>welcome</html>")]
    with pytest.raises(StorageDenied, match="AWS_ENDPOINT_URL_STS"):
        role(sts).assume()


def test_a_long_answer_is_not_read_to_its_end(sts: Sts) -> None:
    sts.answers = [(200, answer() + " " * MOST_KEY_BYTES)]
    with pytest.raises(StorageUnavailable, match="AnswerTooLong"):
        role(sts).assume()


@pytest.mark.parametrize("fault", [(500, "oops"), (503, refusal("SlowDown")), (400, refusal("Throttling")), (429, "")])
def test_a_fault_of_the_service_passes(sts: Sts, fault: tuple[int, str]) -> None:
    sts.answers = [fault, (200, answer())]
    assert RoleKeys(role(sts), Now())()["token"] == "token"
    sts.answers = [fault]
    with pytest.raises(StorageUnavailable, match="reader") as caught:
        RoleKeys(role(sts), Now())()
    assert caught.value.transient


def test_silence_is_worth_another_try(sts: Sts) -> None:
    silent = Sts(url="http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1:9 does not answer") as caught:
        role(silent).assume()
    assert caught.value.transient


def test_keys_are_kept_and_renewed_before_they_end(sts: Sts) -> None:
    now = Now()
    keys = RoleKeys(role(sts), now)
    assert {keys()["access_key_id"] for _ in range(3)} == {"ASIA1"}
    sts.answers = [(200, answer("2030-01-01T02:00:00Z", 2))]
    now.time = START + timedelta(minutes=49)
    assert keys()["access_key_id"] == "ASIA1"
    now.time = START + timedelta(minutes=51)
    assert keys()["access_key_id"] == "ASIA2"
    assert len(sts.asked) == 2


def test_old_keys_last_while_the_service_is_away(sts: Sts) -> None:
    now = Now()
    keys = RoleKeys(role(sts), now)
    keys()
    sts.answers = [(503, "")]
    now.time = START + timedelta(minutes=55)
    assert keys()["access_key_id"] == "ASIA1"
    asked = len(sts.asked)
    assert keys()["access_key_id"] == "ASIA1"
    assert len(sts.asked) == asked, "a store that asks ten times a second need not wait ten times"
    now.time = START + timedelta(minutes=60)
    with pytest.raises(StorageUnavailable) as caught:
        keys()
    assert keys.failure is caught.value
    sts.answers = [(200, answer("2030-01-01T02:00:00Z", 2))]
    assert keys()["access_key_id"] == "ASIA2"
    assert keys.failure is None


def test_a_role_that_is_taken_away_is_not_used_on(sts: Sts) -> None:
    now = Now()
    keys = RoleKeys(role(sts), now)
    keys()
    sts.answers = [(403, refusal("AccessDenied"))]
    now.time = START + timedelta(minutes=55)
    with pytest.raises(StorageDenied):
        keys()


def test_no_secret_shows(sts: Sts) -> None:
    assumed = role(sts)
    assert SECRET not in repr(assumed)
    assert "s/+=" not in repr(assumed.assume())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_keys_follow_no_redirect(sts: Sts, status: int) -> None:
    """Not even to the same service: who redirects a signed request is no Security Token Service."""
    sts.answers = [(status, f"{sts.url}/elsewhere"), (200, answer())]
    with pytest.raises(StorageDenied, match=f"redirects .HTTP {status}.*AWS_ENDPOINT_URL_STS"):
        role(sts).assume()
    assert len(sts.asked) == 1


@pytest.mark.parametrize("changes", [{"region": "x@127.0.0.1:9/"}, {"role": "arn:aws:iam::1:role/x\ny"}])
def test_a_role_that_leads_elsewhere_is_not_assumed(sts: Sts, changes: dict[str, str]) -> None:
    with pytest.raises(StorageDenied, match="must"):
        replace(role(sts), **changes)
