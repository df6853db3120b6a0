"""Every kind of access, over archives on this machine that let nobody in without it: images are read, keys that end are
got anew, and a refusal says what is missing."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arpent.adapters.images.byte_source import ByteSources
from arpent.adapters.images.gdal_fallback import GdalImage
from arpent.adapters.images.other_formats import isolated_header
from arpent.adapters.images.reader import CogReader
from arpent.adapters.sources import bucket_keys, logins, signatures, token_service
from arpent.adapters.sources.access import TableAccess
from arpent.adapters.sources.table import source_table
from arpent.domain.errors import AssetUnreadable
from arpent.domain.ports.imagery import Block
from arpent.network import renewal
from arpent.network.access import AccessFailed
from arpent.network.policy import EgressPolicy, policy_of
from arpent.network.source import ArchiveSource
from tests.support.archives import PASSWORD, USER, Archive, archive
from tests.support.cogs import formula, write

PIXELS = formula(640, 640)
Opened = Callable[..., Archive]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Opens archives over one image, at /image.tif, /account/container/image.tif and s3://bucket/image.tif."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TOKEN": "fixed", "KEY": "testkey", "SECRET": "s", "USER_NAME": USER, "PASS": PASSWORD,
                        "CLIENT": "good", "EARTH": "earth", "NETRC": str(tmp_path / "netrc")}.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for folder in ("", "account/container", "bucket", "account/unknown"):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        write(tmp_path / folder / "image.tif", PIXELS, tiled=True, blockxsize=64, blockysize=64)
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(archive(tmp_path, **given))


def access(policy: EgressPolicy | None = None, **entries: dict[str, Any]) -> TableAccess:
    given = {name: ArchiveSource.model_validate(entry) for name, entry in entries.items()}
    return TableAccess(source_table(given, ()), policy)


def read(keys: TableAccess, href: str, threads: int = 1, **options: Any) -> np.ndarray:
    """All blocks of the image, one request for each row."""
    reader = CogReader(threads=threads, retry_seconds=0.5, access=keys, **options)
    try:
        blocks = [Block(level=0, row=row, column=column) for row in range(10) for column in range(10)]
        rows = [(href, blocks[start : start + 10]) for start in range(0, 100, 10)]
        parts = [piece[2] for piece in reader.read(rows)]
        return np.block([[parts[row * 10 + column] for column in range(10)] for row in range(10)])
    finally:
        reader.close()


def refused(keys: TableAccess, href: str) -> str:
    with pytest.raises(AssetUnreadable) as caught:
        read(keys, href)
    return str(caught.value)


def kinds(at: Archive) -> dict[str, tuple[dict[str, Any], str, str]]:
    """Kind of access → what the archive wants, the entry, and the image's address."""
    bucket = {"match": "s3://bucket", "endpoint": at.url, "region": "us-east-1"}
    login = {"s3_credentials_url": f"{at.url}/s3credentials", "login_host": "127.0.0.1"}
    oidc = {"token_url": f"{at.url}/oidc/token", "client_id": "me", "client_secret": "env:CLIENT"}
    blob = f"{at.url}/account/container/image.tif"
    return {
        "signature": ({"match": at.url, "sas_url": f"{at.url}/sas"}, "signature", blob),
        "bearer": ({"match": at.url, "token": "env:TOKEN"}, "bearer", f"{at.url}/image.tif"),
        "oidc": ({"match": at.url, **oidc}, "bearer", f"{at.url}/image.tif"),
        "basic": ({"match": at.url, "user": "env:USER_NAME", "password": "env:PASS"}, "basic", f"{at.url}/image.tif"),
        "netrc": ({"match": at.url, "netrc": True}, "basic", f"{at.url}/image.tif"),
        "keys": ({**bucket, "access_key": "env:KEY", "secret_key": "env:SECRET"}, "keys", "s3://bucket/image.tif"),
        "profile": ({**bucket, "profile": "mine"}, "keys", "s3://bucket/image.tif"),
        "unsigned": ({**bucket, "unsigned": True}, "", "s3://bucket/image.tif"),
        "earthdata": ({**bucket, **login, "token": "env:EARTH"}, "keys", "s3://bucket/image.tif"),
        "earthdata by netrc": ({**bucket, **login, "netrc": True}, "keys", "s3://bucket/image.tif"),
    }


ENDING = ("signature", "oidc", "earthdata", "earthdata by netrc")
KINDS = (
    "signature",
    "bearer",
    "oidc",
    "basic",
    "netrc",
    "keys",
    "profile",
    "unsigned",
    "earthdata",
    "earthdata by netrc",
)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A netrc file, and a profile of AWS."""
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}")
    (tmp_path / "netrc").chmod(0o600)
    (tmp_path / "credentials").write_text("[mine]\naws_access_key_id = testkey\naws_secret_access_key = s\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_is_read(kind: str, opened: Opened, machine: None) -> None:
    at = opened()
    entry, at.wants, href = kinds(at)[kind]
    assert (read(access(mine=entry), href) == PIXELS).all()
    assert len(at.given) == (kind in ENDING)


@pytest.mark.parametrize("kind", ["signature", "oidc", "earthdata"])
def test_gdal_reads_by_the_same_keys(kind: str, opened: Opened, tmp_path: Path) -> None:
    """Its bytes come from our own client, in this process and in one that reads headers."""
    for folder in ("", "account/container", "bucket"):
        write(tmp_path / folder / "image.tif", PIXELS % 4096, nbits=12, tiled=True, blockxsize=64, blockysize=64)
    at = opened()
    entry, at.wants, href = kinds(at)[kind]
    keys = access(mine=entry)
    sources = ByteSources(access=keys)
    image = GdalImage(href, sources, sources.head(href))
    assert (image.read(Block(level=0, row=1, column=2), 0) == (PIXELS % 4096)[64:128, 128:192]).all()
    image.close()
    sources.close()
    assert isolated_header(None, pickle.loads(pickle.dumps(keys)), href).width == 640
    assert (read(keys, href) == PIXELS % 4096).all()


@pytest.mark.parametrize("kind", KINDS)
def test_without_its_source_it_is_refused(kind: str, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened()
    _, at.wants, href = kinds(at)[kind]
    if href.startswith("s3:"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", at.url)
        monkeypatch.setenv("AWS_SKIP_SIGNATURE", "true")
        at.wants = "keys"
        assert "requester_pays" in refused(access(), href)
    else:
        assert "set a source for" in refused(access(), href)


@pytest.mark.parametrize("kind", ENDING)
def test_keys_that_end_in_the_middle_are_got_anew(
    kind: str, opened: Opened, machine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here they end without a word, earlier than they said."""
    monkeypatch.setattr(renewal, "YOUNG_SECONDS", 0.0)
    at = opened(uses=4)
    entry, at.wants, href = kinds(at)[kind]
    assert (read(access(mine=entry), href, requests=2) == PIXELS).all()
    assert len(at.given) > 2


@pytest.mark.parametrize("kind", ENDING)
def test_keys_that_last_seconds_are_renewed_before(kind: str, opened: Opened, machine: None) -> None:
    at = opened(seconds=2.0, pause=0.2)
    entry, at.wants, href = kinds(at)[kind]
    keys = access(mine=entry)
    assert all((read(keys, href) == PIXELS).all() for _ in range(3))
    assert len(at.given) > 1


def test_threads_share_one_token_of_each_container(opened: Opened) -> None:
    at = opened(wants="signature")
    keys = access(mine={"match": at.url, "sas_url": f"{at.url}/sas"})
    with ThreadPoolExecutor(8) as pool:
        urls = list(pool.map(lambda _: keys.request(f"{at.url}/account/container/image.tif").url, range(32)))
    assert len(at.given) == 1
    assert len(set(urls)) == 1
    other = keys.request(f"{at.url}/account/other/image.tif").url
    assert other.endswith("/account/other/image.tif?sv=1&sig=sas2%2F")


def test_an_old_signature_is_replaced_and_the_rest_of_the_query_stays(opened: Opened) -> None:
    at = opened()
    keys = access(mine={"match": at.url, "sas_url": f"{at.url}/sas"})
    asked = keys.request(f"{at.url}/account/container/a.tif?sv=0&se=2020-01-01&spr=https&sig=old%2F&versionid=7")
    assert asked.url == f"{at.url}/account/container/a.tif?versionid=7&sv=1&sig=sas1%2F"
    assert "sas1" not in repr(asked)


def test_a_container_that_is_not_managed_is_open(opened: Opened) -> None:
    at = opened()
    keys = access(mine={"match": at.url, "sas_url": f"{at.url}/sas"})
    assert (read(keys, f"{at.url}/account/unknown/image.tif") == PIXELS).all()


def test_too_many_requests_are_waited_for(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_service, "BACKOFF", 0.01)
    at = opened(wants="signature")
    at.token_faults = [(429, {"retry-after": "1"}), (503, {}), (429, {"retry-after": "0"})]
    keys = access(mine={"match": at.url, "sas_url": f"{at.url}/sas"})
    assert (read(keys, f"{at.url}/account/container/image.tif") == PIXELS).all()
    assert at.token_faults == []


@pytest.mark.parametrize("kind", ["signature", "oidc", "earthdata"])
def test_a_service_of_keys_that_is_away_ends_in_a_sentence(
    kind: str, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_service, "RETRIES", 1)
    monkeypatch.setattr(token_service, "BACKOFF", 0.01)
    at = opened()
    entry, at.wants, href = kinds(at)[kind]
    at.token_faults = [(503, {})] * 50
    with pytest.raises(AssetUnreadable, match=r"cannot be obtained from 127.0.0.1:.* HTTP 503") as caught:
        read(access(mine=entry), href)
    assert caught.value.transient
    assert len(at.token_faults) == 48, "who waited for the same key did not ask again"


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("bearer", {"token": "env:NOT_SET"}, "set the variable NOT_SET"),
        ("bearer", {"token": "file:/not/there"}, "set the file /not/there"),
        ("bearer", {"token": "env:SECRET"}, "login of source mine is refused"),
        ("oidc", {"client_secret": "env:SECRET"}, "it refuses the user, the token or the secret"),
        ("oidc", {"token_url": "{url}/sas/a/b"}, "its answer cannot be used"),
        ("basic", {"password": "env:SECRET"}, "login of source mine is refused"),
        ("basic", {"password": "env:NOT_SET"}, "the variable NOT_SET"),
        ("keys", {"secret_key": "env:NOT_SET"}, "set the variable NOT_SET"),
        ("keys", {"access_key": "env:SECRET"}, "the keys of the source mine are wrong"),
        ("keys", {"region": "eu-west-1"}, "the bucket is not in eu-west-1: set `region`"),
        ("profile", {"profile": "other"}, "profile other, which no AWS file has"),
        ("earthdata", {"token": "env:SECRET"}, "it refuses the user, the token or the secret"),
        ("earthdata", {"token": "env:NOT_SET"}, "cannot log in at 127.0.0.1: set the variable NOT_SET"),
        ("signature", {"sas_url": "{url}/nowhere"}, ""),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(kind: str, change: dict[str, str], words: str, opened: Opened, machine: None) -> None:
    at = opened()
    entry, at.wants, href = kinds(at)[kind]
    text = refused(access(mine=entry | {name: value.format(url=at.url) for name, value in change.items()}), href)
    assert words in text
    assert "fixed" not in text


def test_who_does_not_pay_is_told(opened: Opened) -> None:
    at = opened(wants="keys", pays=True)
    entry = {"match": "s3://bucket", "endpoint": at.url, "region": "us-east-1", "access_key": "env:KEY",
             "secret_key": "env:SECRET"}  # fmt: skip
    assert "set `requester_pays` of the source mine" in refused(access(mine=entry), "s3://bucket/image.tif")
    assert (read(access(mine=entry | {"requester_pays": True}), "s3://bucket/image.tif") == PIXELS).all()


def test_a_closed_bucket_that_is_called_open(opened: Opened) -> None:
    at = opened(wants="keys")
    entry = {"match": "s3://bucket", "endpoint": at.url, "region": "us-east-1", "unsigned": True}
    assert "is not public" in refused(access(mine=entry), "s3://bucket/image.tif")


@pytest.mark.parametrize(
    "odd",
    [b"", b"<html>back soon</html>", b"[]", b"null", b'"busy"', b"[" * 100_000, b'{"access_token": null}',
     b'{"access_token": "two words"}', b'{"access_token": "a\\r\\nhost: b"}', b'{"access_token": "\xe2\x82\xac"}'],
    ids=["nothing", "a page", "a list", "null", "text", "too deep", "no token", "words", "lines", "not ASCII"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["oidc", "signature"])
def test_what_is_no_key_is_not_sent_and_passes(kind: str, odd: bytes, opened: Opened) -> None:
    """As of a gateway whose service is away for a moment: START asks again for the images that it has cost."""
    at = opened()
    entry, at.wants, href = kinds(at)[kind]
    told = odd.replace(b"access_token", b"token").replace(b"}", b', "msft:expiry": "2099-01-01T00:00:00Z"}')
    at.token_faults = [(200, {}, odd if kind == "oidc" else told)] * 2
    keys = access(mine=entry)
    with pytest.raises(AssetUnreadable, match="its answer cannot be used") as caught:
        read(keys, href)
    assert (caught.value.transient, caught.value.passing) == (True, True)
    assert not any("uthorization" in headers or "sig=" in path for path, headers in at.asked)
    at.token_faults.clear()
    keys._kept.clear()  # in place of the pause after a failure
    assert (read(keys, href) == PIXELS).all()


@pytest.mark.parametrize("seconds", ["null", '"an hour"', "NaN", "1" + "0" * 400, "[]", "1e400", "-5"])
def test_a_token_is_used_whatever_is_said_of_its_end(seconds: str, opened: Opened) -> None:
    at = opened(wants="bearer")
    entry, _, href = kinds(at)["oidc"]
    at.token_faults = [(200, {}, f'{{"access_token": "fixed", "expires_in": {seconds}}}'.encode())] * 5
    assert (read(access(mine=entry), href) == PIXELS).all()
    assert len(at.token_faults) == 4, "one for all requests"


def test_a_refusal_leaves_it_to_start(opened: Opened) -> None:
    """Rights come back, for a service of keys as for images."""
    at = opened(wants="bearer")
    entry, _, href = kinds(at)["oidc"]
    with pytest.raises(AssetUnreadable, match="it refuses the user") as caught:
        read(access(mine=entry | {"client_secret": "env:SECRET"}), href)
    assert (caught.value.transient, caught.value.passing) == (False, True)


def test_a_container_is_not_open_because_a_gateway_says_so(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a signature its images would not be there. One that had signatures has not become open, either."""
    monkeypatch.setattr(signatures, "UNKNOWN_PAUSES", (0.01, 0.01))
    monkeypatch.setattr(renewal, "PAUSE_SECONDS", 0.0)
    at = opened(wants="signature", seconds=0.0)
    href = f"{at.url}/account/container/image.tif"
    keys = access(mine={"match": at.url, "sas_url": f"{at.url}/sas"})
    at.token_faults = [(404, {})] * 2
    assert "sig=" in keys.request(href).url
    at.token_faults = [(404, {})] * 9
    with pytest.raises(AccessFailed, match="HTTP 404") as caught:
        keys.request(href)
    assert caught.value.transient
    assert len(at.token_faults) == 6
    at.token_faults.clear()
    assert keys.request(f"{at.url}/account/unknown/image.tif").url.endswith("/image.tif")


@pytest.mark.parametrize("status", [404, 409])
def test_an_image_that_only_a_signature_shows_is_asked_for_again(
    status: int, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Azure says so of closed containers, and a service that is away for long may seem to sign nothing there."""
    monkeypatch.setattr(signatures, "UNKNOWN_PAUSES", (0.01,))
    at = opened(wants="signature", hides=status)
    href, keys = f"{at.url}/account/container/image.tif", access(mine={"match": at.url, "sas_url": f"{at.url}/sas"})
    at.token_faults = [(404, {})] * 2
    with pytest.raises(AssetUnreadable) as caught:
        read(keys, href)
    assert caught.value.passing
    monkeypatch.setattr(renewal, "YOUNG_SECONDS", 0.0)
    assert (read(keys, href) == PIXELS).all()


@pytest.mark.parametrize("kind", ["bearer", "basic"])
def test_a_page_to_log_in_is_no_image(kind: str, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened(page=True)
    entry, at.wants, href = kinds(at)[kind]
    assert "set a source for https://127.0.0.1 with a `token`" in refused(access(), href)
    monkeypatch.setenv("TOKEN", "expired")
    monkeypatch.setenv("PASS", "wrong")
    assert "login page" in (text := refused(access(mine=entry), href))
    assert "the login of source mine is refused" in text


def test_a_token_file_that_somebody_renews(opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "YOUNG_SECONDS", 0.0)
    at = opened(wants="bearer")
    keys = access(mine={"match": at.url, "token": f"file:{tmp_path}/token"})
    (tmp_path / "token").write_text("old\n")
    assert "login of source mine is refused" in refused(keys, f"{at.url}/image.tif")
    (tmp_path / "token").write_text("fixed\n")
    assert (read(keys, f"{at.url}/image.tif") == PIXELS).all()


@pytest.fixture
def over(opened: Opened) -> tuple[Archive, Archive]:
    """Protected files, and the host to log in at."""
    at, login = opened(wants="cookie"), opened()
    at.login, login.back = login.url, at.url
    return at, login


@pytest.mark.parametrize("way", ["user", "netrc"])
def test_a_login_over_another_host_and_back(way: str, over: tuple[Archive, Archive], machine: None) -> None:
    at, login = over
    given: dict[str, Any] = {"netrc": True} if way == "netrc" else {"user": "env:USER_NAME", "password": "env:PASS"}
    host = login.url.removeprefix("http://")
    keys = access(mine={"match": at.url, "login_host": host, **given})
    at.uses = 8  # then the cookie has ended, and the way is gone again
    assert (read(keys, f"{at.url}/image.tif", requests=1) == PIXELS).all()
    assert len(at.given) > 1
    assert all("authorization" not in headers for _, headers in at.asked), "the password is for the host to log in at"
    assert all("cookie" not in headers for _, headers in login.asked)
    assert len(login.asked) == len(at.given)


def test_a_token_is_not_shown_to_the_host_to_log_in_at(over: tuple[Archive, Archive]) -> None:
    at, login = over
    entry = {"match": at.url, "token": "env:TOKEN", "login_host": login.url.removeprefix("http://"), "netrc": True}
    assert "the login of source mine is refused" in refused(access(mine=entry), f"{at.url}/image.tif")
    assert [headers.get("authorization") for _, headers in login.asked] == [None] * len(login.asked)
    assert at.asked[0][1]["authorization"] == "Bearer fixed"
    at.wants = "bearer"
    assert (read(access(mine=entry), f"{at.url}/image.tif") == PIXELS).all()


def test_a_login_over_another_host_that_is_refused(
    over: tuple[Archive, Archive], monkeypatch: pytest.MonkeyPatch
) -> None:
    at, login = over
    entry = {"match": at.url, "login_host": login.url.removeprefix("http://"), "user": "env:USER_NAME",
             "password": "env:PASS"}  # fmt: skip
    monkeypatch.setenv("PASS", "wrong")
    assert "the login of source mine is refused" in refused(access(mine=entry), f"{at.url}/image.tif")
    monkeypatch.delenv("PASS")
    assert "cannot log in at 127.0.0.1:" in (text := refused(access(mine=entry), f"{at.url}/image.tif"))
    assert "the variable PASS" in text


def test_keys_do_not_follow_a_redirect_to_another_host(opened: Opened) -> None:
    other, at = opened(), opened()
    at.status = 302
    at._file = None  # type: ignore[assignment, method-assign]
    at.answer = lambda *_: (302, {"location": f"{other.url}/image.tif"}, b"")  # type: ignore[method-assign]
    keys = access(mine={"match": at.url, "token": "env:TOKEN"})
    assert (read(keys, f"{at.url}/image.tif") == PIXELS).all()
    assert all(headers["authorization"] == "Bearer fixed" for _, headers in at.asked)
    assert other.asked
    assert not any("authorization" in headers for _, headers in other.asked)


def test_who_asks_for_keys_is_not_led_elsewhere(opened: Opened) -> None:
    other, at = opened(), opened()
    at.answer = lambda *_: (307, {"location": f"{other.url}/oidc/token"}, b"")  # type: ignore[method-assign]
    for kind in ("oidc", "signature"):
        entry, _, href = kinds(at)[kind]
        assert "keys are not sent there" in refused(access(mine=entry), href)
    assert other.asked == []


def test_a_service_of_keys_is_reached_under_the_policy(opened: Opened) -> None:
    at = opened(wants="bearer")
    entry, _, href = kinds(at)["oidc"]
    assert "is on this machine" in refused(access(EgressPolicy(), mine=entry), href)
    assert (read(access(policy_of([at.url], []), mine=entry), href) == PIXELS).all()


def test_two_stores_at_once(opened: Opened, tmp_path: Path) -> None:
    one, two = opened(wants="keys"), opened(wants="keys", region="default")
    (tmp_path / "eodata").mkdir()
    write(tmp_path / "eodata" / "image.tif", PIXELS, tiled=True, blockxsize=64, blockysize=64)
    pair = {"access_key": "env:KEY", "secret_key": "env:SECRET"}
    keys = access(
        mine={"match": "s3://bucket", "endpoint": one.url, "region": "us-east-1", **pair},
        cdse={"endpoint": two.url, **pair},
    )
    for href, at in (("s3://bucket/image.tif", one), ("s3://eodata/image.tif", two)):
        assert (read(keys, href) == PIXELS).all()
        assert {path.split("/")[1] for path, _ in at.asked} == {href.split("/")[2]}


def test_files_of_the_machine_are_read_once_for_many_requests(
    opened: Opened, machine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The netrc file, and only if its source says so; the files of AWS: for the keys, and for the place."""
    at, read_files = opened(), []
    for module, name in ((logins, "_netrc_pair"), (bucket_keys, "_profile")):
        true = getattr(module, name)
        monkeypatch.setattr(module, name, lambda what, true=true: (read_files.append(what), true(what))[1])
    for entry in ("bearer", "netrc", "profile"):
        given, _, href = kinds(at)[entry]
        keys = access(mine=given)
        read_files.clear()
        for _ in range(9):
            assert keys.request(href).headers if entry != "profile" else keys.bucket(href).keys
        assert len(read_files) <= {"bearer": 0, "netrc": 2, "profile": 1}[entry], entry


def test_no_more_connections_than_allowed(opened: Opened) -> None:
    for entry in ("bearer", "keys"):
        at = opened(pause=0.01)
        given, at.wants, href = kinds(at)[entry]
        assert (read(access(mine=given | {"connections": 2}), href, threads=4) == PIXELS).all()
        assert 1 <= at.most_in_flight <= 2


def test_a_pickle_holds_no_secret_and_works(opened: Opened) -> None:
    at = opened(wants="bearer")
    keys = access(mine={"match": at.url, "token": "env:TOKEN"})
    assert (read(keys, f"{at.url}/image.tif") == PIXELS).all()
    pickled = pickle.dumps(keys)
    assert b"fixed" not in pickled
    assert (read(pickle.loads(pickled), f"{at.url}/image.tif") == PIXELS).all()
