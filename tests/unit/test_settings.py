"""Settings come from variables and a file; each has an effect, and what is wrong is refused in one line by name."""

from __future__ import annotations

import base64
import json
import os
import random
import secrets
from pathlib import Path

import pytest

from arpent.domain.errors import InvalidSetting
from arpent.setting_values import is_guessable
from arpent.settings import CONFIG, FILE, TRACEBACK, Settings, load, secret_files, variables
from arpent.wiring.local import stall_seconds
from arpent.worker import check_places

OTHERS = {
    "ARPENT_DATABASE_URL": "sqlite:///other.db", "ARPENT_BUCKETS": "./buckets", "ARPENT_CATALOG": "earth-search",
    "ARPENT_CATALOGS": '{"dem": "./dem"}', "ARPENT_COLLECTIONS": "./collections", "ARPENT_HOST": "0.0.0.0",
    "ARPENT_BUCKET_GRANTS": '{"*": ["shared"]}', "ARPENT_QUOTAS": '{"*": {"jobs": 2}}',
    "ARPENT_SOURCES": '{"minio": {"match": "s3://results"}}',
    "ARPENT_REACHABLE": "images.local, 10.0.0.5:9000,/data/imagery",
    "ARPENT_PORT": "0", "ARPENT_EXECUTOR": "dask+tls://host:8786", "ARPENT_INSECURE_TRANSPORT": "true",
    "ARPENT_TRUST_FORWARDED": "true", "ARPENT_PUBLIC_METRICS": "true", "ARPENT_TOKEN_SECONDS": "60",
    "ARPENT_OIDC_ISSUER": "https://login.test/realms/main", "ARPENT_OIDC_AUDIENCE": "arpent",
    "ARPENT_OIDC_SCOPE": "use",
    "ARPENT_OIDC_OWNER_CLAIM": "azp", "ARPENT_OIDC_OPERATOR_SCOPE": "operate", "ARPENT_OIDC_METRICS_SCOPE": "observe",
    "ARPENT_OWN_TOKENS": "false",
    "ARPENT_SECRET_KEY": "Jr7nB2uQ9wXe4Tz6Ym1Kc8Vh3Lp5Sd0G",
    "ARPENT_SCRIPT_SECONDS": "1.5", "ARPENT_SCRIPT_MEMORY": "64", "ARPENT_COMPILE_SCRIPTS": "false",
    "ARPENT_SYNCHRONOUS_WORKERS": "1", "ARPENT_SYNCHRONOUS_SECONDS": "5", "ARPENT_SYNCHRONOUS_MEMORY": "1024",
    "ARPENT_SYNCHRONOUS_CACHE": "0",
    "ARPENT_SYNCHRONOUS_PIXEL_BUDGET": "1000", "ARPENT_SYNCHRONOUS_QUEUE": "2", "ARPENT_FEATURES_SECONDS": "5",
    "ARPENT_FEATURES_MEMORY": "1024", "ARPENT_FEATURES_BYTES": "1000", "ARPENT_FEATURES_ROWS": "10",
    "ARPENT_UPLOAD_BYTES": "0", "ARPENT_BASEMAP": "https://tiles.test/{z}/{x}/{y}.png",
    "ARPENT_UNFILTERED_SCRIPTS": "true", "ARPENT_POLICY__OUTAGE_SECONDS": "1", "ARPENT_POLICY__ABSENCE_SECONDS": "0",
    "ARPENT_POLICY__FAILED_KEYS_HOURS": "1",
    "ARPENT_PIXEL_BUDGET": "1000", "ARPENT_PARQUET": "no", "ARPENT_RESULTS": "table",
    "ARPENT_CACHE": "/var/cache/arpent:20GB", "ARPENT_LENIENT_HISTOGRAMS": "1",
    "ARPENT_LOG_FORMAT": "json", "ARPENT_AUDIT_LOG": "audit.log", "ARPENT_OTLP_ENDPOINT": "http://collector:4318",
    "ARPENT_POLICY__MAXIMUM_FEATURES": "7", "ARPENT_POLICY__RESTART_PAUSE_MINUTES": "30",
    "ARPENT_POLICY__RESTART_PAUSE_OUT_OF_PU_MINUTES": "60", "ARPENT_POLICY__FAILED_REPORTS_FULL": "false",
    "ARPENT_POLICY__ATTEMPTS": "1", "ARPENT_POLICY__RETRY_SECONDS": "0", "ARPENT_POLICY__UNHEALTHY_SHARE": "1",
    "ARPENT_POLICY__UNHEALTHY_LEAST": "0", "ARPENT_POLICY__LEASE_SECONDS": "0.5", "ARPENT_POLICY__STALL_SECONDS": "60",
    "ARPENT_POLICY__PROCESSING_UNIT_BUDGET": "100", "ARPENT_POLICY__RETENTION_DAYS": "30", CONFIG: "named.toml",
}  # fmt: skip
"""A value of each variable that is not its default."""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but those of the test."""
    for name in [*os.environ]:
        if name.upper().startswith("ARPENT_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    Path("named.toml").write_text("port = 8001")


def refused(**given: object) -> str:
    with pytest.raises(InvalidSetting) as caught:
        load(**given)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_there_is_a_value_for_every_variable() -> None:
    assert OTHERS.keys() == variables().keys() - {TRACEBACK}, "which tests/acceptance/test_refusals.py tries"


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("spelt", [str.upper, str.lower])
def test_every_variable_has_an_effect(name: str, spelt: object, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load()
    monkeypatch.setenv(spelt(name), OTHERS[name])  # type: ignore[operator]
    assert load() != before == Settings()


def test_option_beats_variable_beats_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(FILE).write_text('port = 1\nhost = "a"\nexecutor = "inline"\n[policy]\nattempts = 1\nretry_seconds = 1')
    monkeypatch.setenv("ARPENT_HOST", "b")
    monkeypatch.setenv("ARPENT_EXECUTOR", "processes")
    monkeypatch.setenv("ARPENT_POLICY__ATTEMPTS", "2")
    found = load(executor="processes:2")
    assert (found.port, found.host, found.executor) == (1, "b", "processes:2")
    assert (found.policy.attempts, found.policy.retry_seconds) == (2, 1.0)
    assert load(executor=None).executor == "processes"


def test_the_named_file_replaces_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(FILE).write_text('host = "a"')
    monkeypatch.setenv(CONFIG, str(Path("named.toml").absolute()))
    assert (load().port, load().host) == (8001, "127.0.0.1")


def test_tables_as_json_and_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(FILE).write_text('[catalogs]\ndem = "a"\nbyoc = "b"')
    monkeypatch.setenv("ARPENT_CATALOGS", '{"dem": "c", "more": "d"}')
    monkeypatch.setenv("ARPENT_CATALOGS__LAST", "e")
    assert load().catalogs == {"dem": "c", "byoc": "b", "more": "d", "last": "e"}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"match": "s3://b", "acess_key": "TOPSECRET"}, "not a setting of a source; did you mean access_key?"),
        ({"match": "s3://b", "token": "TOPSECRET"}, "`token` is wrong: write where it is, not itself"),
        ({"match": "s3://b", "name": "x"}, "has `name`, which is not a setting"), ("TOPSECRET", "valid dictionary"),
        ({"match": "s3://b", "user": "env:TOPSECRET"}, "`user` and `password` belong together"),
    ],
)  # fmt: skip
def test_a_source_is_told_by_its_field_and_never_shown(
    entry: object, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARPENT_SOURCES", json.dumps({"mine": entry}))
    text = refused()
    assert "'mine' in ARPENT_SOURCES" in text
    assert words in text
    assert "TOPSECRET" not in text
    monkeypatch.delenv("ARPENT_SOURCES")
    monkeypatch.setenv("ARPENT_SOURCES__MINE", json.dumps(entry))
    assert words in refused()
    assert "TOPSECRET" not in refused()


def test_settings_of_the_code_ask_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker has the settings it was sent, not those of its machine."""
    monkeypatch.setenv("ARPENT_PORT", "abc")
    Path(FILE).write_text("broken")
    assert Settings(host="h").port == 8000
    assert Settings.model_validate_json(Settings(port=1).model_dump_json()).port == 1


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ARPENT_PROT", "ARPENT_PORT"),
        ("ARPENT_DATABASE", "ARPENT_DATABASE_URL"),
        ("ARPENT_BUCKET", "ARPENT_BUCKETS"),
        ("ARPENT_POLICY__ATEMPTS", "ARPENT_POLICY__ATTEMPTS"),
        ("ARPENT_POLICY_ATTEMPTS", "ARPENT_POLICY__ATTEMPTS"),
        ("ARPENT_ATTEMPTS", "ARPENT_POLICY__ATTEMPTS"),
        ("ARPENT_LEASE_SECONDS", "ARPENT_POLICY__LEASE_SECONDS"),
        ("ARPENT_PORT__X", "ARPENT_PORT"),
        ("ARPENT_SECRETKEY", "ARPENT_SECRET_KEY"),
        ("ARPENT_CONFIG_FILE", "ARPENT_CONFIG"),
        ("arpent_prot", "ARPENT_PORT"),
        ("ARPENT_POLICY__ATTEMPTS__X", "ARPENT_POLICY__ATTEMPTS"),
    ],
)
def test_an_unknown_variable_is_refused(name: str, meant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert refused() == f"{name} is not a setting; did you mean {meant}?"


@pytest.mark.parametrize("name", ["ARPENT_QQQQQQ", "ARPENT_", "ARPENT___", "ARPENT_POLICY__"])
def test_what_resembles_nothing_is_refused_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "1")
    assert refused().startswith(f"{name} is not a setting")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "`prot` in arpent.toml is not a setting; did you mean port?"),
        ("PORT = 1", "`PORT` in arpent.toml is not a setting; did you mean port?"),
        ("ARPENT_PORT = 1", "`ARPENT_PORT` in arpent.toml is not a setting; did you mean port?"),
        ("database-url = 'x'", "`database-url` in arpent.toml is not a setting; did you mean database_url?"),
        ("attempts = 1", "`attempts` in arpent.toml is not a setting; did you mean policy.attempts?"),
        ("[policy]\natempts = 1", "`policy.atempts` in arpent.toml is not a setting; did you mean policy.attempts?"),
        ("[polcy]\nattempts = 1", "`polcy` in arpent.toml is not a setting; did you mean policy?"),
    ],
)
def test_an_unknown_key_is_refused(text: str, said: str) -> None:
    Path(FILE).write_text(text)
    assert refused() == said


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "abc", '"abc", but must be a whole number from 0 to 65535'),
        ("PORT", "-1", '"-1", but must be a whole number from 0 to 65535'),
        ("PORT", "65536", '"65536", but must be a whole number from 0 to 65535'),
        ("PORT", "80.5", '"80.5", but must be a whole number from 0 to 65535'),
        ("PORT", "", "empty: unset it, or make it a whole number from 0 to 65535"),
        ("BUCKETS", "", "empty: unset it, or make it a folder"),
        ("SECRET_KEY", "", "empty: unset it, or make it at least 32 bytes"),
        ("PARQUET", "maybe", '"maybe", but must be true or false'),
        ("LOG_FORMAT", "xml", '"xml", but must be text or json'),
        ("SCRIPT_SECONDS", "0", '"0", but must be a number above 0, at most 86400'),
        ("SCRIPT_SECONDS", "nan", '"nan", but must be a number above 0, at most 86400'),
        ("SCRIPT_SECONDS", "inf", '"inf", but must be a number above 0, at most 86400'),
        ("SCRIPT_MEMORY", "1", '"1", but must be a whole number from 16 to 1048576'),
        ("PIXEL_BUDGET", "0", '"0", but must be a whole number from 1 to 2147483647'),
        ("TOKEN_SECONDS", "0", '"0", but must be a whole number of at least 1'),
        ("EXECUTOR", "threads", '"threads", but must be inline, processes, processes:N, dask://host:port'),
        ("EXECUTOR", "processes:0", '"processes:0", but must be inline, processes, processes:N'),
        ("EXECUTOR", "dask://", '"dask://", but must be inline, processes, processes:N'),
        ("DATABASE_URL", "postgres://h/d", "(write postgresql:// instead of postgres://)"),
        ("DATABASE_URL", "jobs.db", "(it has no ://; a file is written sqlite:///file)"),
        ("DATABASE_URL", "postgresql://me@h/d?password=hush", "user:password@host"),
        ("DATABASE_URL", "mysql://h/d", "(there is no support for mysql)"),
        ("DATABASE_URL", "postgresql+asyncpg://h/d", "(there is no support for postgresql+asyncpg)"),
        ("DATABASE_URL", "sqlite://", "(it names no file, and several processes need the same one)"),
        ("DATABASE_URL", "sqlite:///jobs.db?timeout=5", "(nothing may follow the file)"),
        ("DATABASE_URL", "sqlite:///:memory:", "(it names no file, and several processes need the same one)"),
        ("BASEMAP", "https://tiles.test/{z}/{x}.png", "(it lacks {y})"),
        ("BASEMAP", "https://tiles.test'; script-src */{z}/{x}/{y}", "(it must begin with https://host/)"),
        ("UPLOAD_BYTES", "-1", '"-1", but must be a whole number from 0 to 2147483648'),
        ("CATALOG", "gs://bucket/stac", "(nothing reads gs://)"),
        ("CATALOG", "s3:///stac", "(it names no bucket)"),
        ("CATALOG", "s3://user:word@bucket/stac", "(it names no bucket)"),
        ("CATALOGS", "dem=./dem", '"dem=./dem", but must be catalogues by collection: {"dem": "./dem"}'),
        ("CATALOGS", "[1]", '[1], but must be catalogues by collection: {"dem": "./dem"}'),
        ("POLICY", "x", '"x", but must be a table of limits'),
        ("POLICY__ATTEMPTS", "0", '"0", but must be a whole number of at least 1'),
        ("POLICY__UNHEALTHY_SHARE", "2", '"2", but must be a number from 0 to 1'),
        ("POLICY__RETENTION_DAYS", "1e9", '"1e9", but must be a number from 0 to 36600'),
        ("POLICY__RETRY_SECONDS", "soon", '"soon", but must be a number from 0 to 86400'),
    ],
)
def test_a_wrong_value_is_told_with_what_is_allowed(
    name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ARPENT_{name}", value)
    line = refused()
    assert line.startswith(f"ARPENT_{name} is ")
    assert said in line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"port = true", "`port` in arpent.toml is true, but must be a whole number from 0 to 65535"),
        (b"port = [8000]", "`port` in arpent.toml is [8000], but must be a whole number from 0 to 65535"),
        (b"port = 2020-01-01", '`port` in arpent.toml is "2020-01-01", but must be a whole number from 0 to 65535'),
        (b"host = 5", "`host` in arpent.toml is 5, but must be an address of this machine"),
        (b"buckets = ''", "`buckets` in arpent.toml is empty: remove it, or make it a folder"),
        (b"policy = 5", "`policy` in arpent.toml is 5, but must be a table of limits"),
        (
            b"[policy]\nlease_seconds = true",
            "`policy.lease_seconds` in arpent.toml is true, but must be a number above",
        ),
        (b"[catalogs]\ndem = 5", "`catalogs.dem` in arpent.toml is 5, but must be the URL of a STAC API"),
        (b"port", "arpent.toml is not TOML"),
        (b"port = 1\nport = 2", "arpent.toml is not TOML"),
        (b"a = " + b"[" * 5000, "arpent.toml is not TOML"),
        (b'host = "\xff"', "arpent.toml is not UTF-8: see byte 8"),
    ],
)
def test_a_wrong_file_is_told_with_its_name(text: bytes, said: str) -> None:
    Path(FILE).write_bytes(text)
    assert refused().startswith(said)


@pytest.mark.parametrize("address", ["s3://bucket", "s3://bucket/items.parquet", "s3://bucket/prefix/"])
def test_a_catalogue_may_lie_in_a_bucket(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARPENT_CATALOG", address)
    monkeypatch.setenv("ARPENT_CATALOGS", json.dumps({"dem": address}))
    settings = load()
    check_places(settings)
    assert (settings.catalog, settings.catalogs) == (address, {"dem": address})


def test_a_file_with_a_byte_order_mark_is_read() -> None:
    Path(FILE).write_bytes(b"\xef\xbb\xbfport = 5")
    assert load().port == 5


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("absent.toml", f"{CONFIG} names 'absent.toml', which does not exist: it must be a TOML file"),
        ("/dev/null", f"{CONFIG} names '/dev/null', which is not a file: it must be a TOML file"),
        (".", f"{CONFIG} names '.', which is a folder: it must be a TOML file"),
        ("", f"{CONFIG} is empty: unset it, or make it a TOML file"),
        ("named.toml/x", f"{CONFIG} names 'named.toml/x', which does not exist: it must be a TOML file"),
        ("x" * 300, f"{CONFIG} names '{'x' * 300}', which"),
    ],
)
def test_the_file_must_be_there_if_it_is_named(path: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONFIG, path)
    assert refused().startswith(said)


def test_the_usual_file_must_be_a_file() -> None:
    Path(FILE).mkdir()
    assert refused() == "arpent.toml is a folder: it must be a TOML file"
    Path(FILE).rmdir()
    Path(FILE).symlink_to("nowhere")
    assert refused() == "arpent.toml does not exist: it must be a TOML file"


def test_everything_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(FILE).write_text("hots = 1\nparquet = 'x'")
    monkeypatch.setenv("ARPENT_PORT", "abc")
    monkeypatch.setenv("ARPENT_PROT", "abc")
    line = refused(executor="x")
    assert all(word in line for word in ("`hots`", "`parquet`", "ARPENT_PORT", "ARPENT_PROT", "--executor"))


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        ("SECRET_KEY", "too-short-hush", "hush"),
        ("DATABASE_URL", "postgres://me:hush@h/d", "hush"),
        ("DATABASE_URL", "mysql://me:hu:sh@h/d", "hu:sh"),
        ("DATABASE_URL", "postgresql://me@h/d?password=hush", "=hush"),
        ("CATALOG", "ftp://me:hush@h/d", "hush"),
        ("DATABASE_URL", "postgresql//me:hush@h/d", "hush"),
        ("DATABASE_URL", "host=h user=me password=hush", "hush"),
        ("DATABASE_URL", "postgresql://me:hu@sh@h/d", "sh@"),
        ("DATABASE_URL", "postgres://me:hu/sh@h/d", "sh@"),
    ],
)
def test_no_secret_is_shown(name: str, value: str, hidden: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"ARPENT_{name}", value)
    assert hidden not in refused()
    monkeypatch.delenv(f"ARPENT_{name}")
    Path(FILE).write_text(f'{name.lower()} = "{value}"')
    assert hidden not in refused()


def test_variables_of_the_tests_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARPENT_TEST_DATA", "x")
    monkeypatch.setenv("ARPENT_BENCH_RESULTS", "x")
    assert load() == Settings()


def test_a_pod_may_lie_beside_a_service_called_arpent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes tells every pod where the services of its namespace are; elsewhere these are typing errors."""
    told = {
        "ARPENT_PORT": "tcp://10.0.0.1:80", "ARPENT_SERVICE_HOST": "10.0.0.1", "ARPENT_SERVICE_PORT": "80",
        "ARPENT_SERVICE_PORT_HTTP": "80", "ARPENT_PORT_80_TCP": "tcp://10.0.0.1:80", "ARPENT_PORT_80_TCP_PORT": "80",
        "ARPENT_PORT_80_TCP_PROTO": "tcp", "ARPENT_PORT_80_TCP_ADDR": "10.0.0.1", "ARPENT_DB_SERVICE_HOST": "10.0.0.2",
        "ARPENT_DB_PORT": "tcp://10.0.0.2:5432",
    }  # fmt: skip
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert all(name in refused() for name in told)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.0")
    assert load() == Settings()
    monkeypatch.setenv("ARPENT_PORT", "abc")
    monkeypatch.setenv("ARPENT_PROT", "1")
    assert "ARPENT_PORT is" in refused()
    assert "ARPENT_PROT is not a setting" in refused()


@pytest.mark.parametrize(
    "key",
    [
        "CHANGE-ME-to-at-least-32-random-bytes", "change_me_change_me_change_me_now",
        "replace-with-a-long-random-string!!", "example-example-key-of-this-server",
        "your-secret-key-goes-here-32-bytes", "placeholder placeholder; really so", "x" * 32, "0" * 64, "ab" * 32,
        "the-key-of-this-server-" * 2, "0123456789abcdef0123456789abcdef", "supersecretsupersecretsupersecret!",
        "please insert your key here: 32 characters", "my-password-is-very-long-and-good",
        "12345678901234567890123456789012", "s3cr3t-1111111111111111111111111", "abcdefghijklmnopqrstuvwxyz012345",
    ],
)  # fmt: skip
def test_a_placeholder_is_no_key(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every reader of the manifest could sign tokens with it."""
    monkeypatch.setenv("ARPENT_SECRET_KEY", key)
    assert "openssl rand" in refused()
    assert key not in refused()


def test_random_keys_are_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(300):
        for key in (
            secrets.token_hex(32),
            secrets.token_urlsafe(32),
            base64.b64encode(secrets.token_bytes(24)).decode(),
        ):
            monkeypatch.setenv("ARPENT_SECRET_KEY", key)
            load()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ARPENT_SECRET_KEY", "CHANGE-ME-to-at-least-32-random-bytes"),
        ("ARPENT_DATABASE_URL", "postgresql://arpent:CHANGE-ME@postgres/arpent"),
    ],
)
def test_what_a_manifest_left_to_be_changed_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert name in refused()


KEYS = [secrets.token_urlsafe(32) for _ in range(2)]


def test_several_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARPENT_SECRET_KEY", f"{KEYS[0]}, {KEYS[1]}")
    assert [key.get_secret_value() for key in load().secret_key] == KEYS
    monkeypatch.delenv("ARPENT_SECRET_KEY")
    Path(FILE).write_text(f"secret_key = {json.dumps(KEYS)}")
    assert [key.get_secret_value() for key in load().secret_key] == KEYS
    monkeypatch.setenv("ARPENT_SECRET_KEY", f"{KEYS[0]},short")
    assert "too short" in refused()
    assert KEYS[0] not in refused()


@pytest.mark.parametrize(
    "key",
    ["0123456789abcdef0123456789abcdef", "abcdefghijklmnopqrstuvwxyzABCDEFGH", "aaaabbbbccccddddeeeeffffgggghhhh",
     "k3yK3yk3yK3yk3yK3yk3yK3yk3yK3yk3y!", "zyxwvutsrqponmlkjihgfedcba98765432", "Tr0ub4dor&3Tr0ub4dor&3Tr0ub4dor&3!"],
)  # fmt: skip
def test_a_key_that_follows_a_pattern_is_refused(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARPENT_SECRET_KEY", key)
    text = refused()
    assert "openssl rand" in text
    assert key not in text


def test_random_keys_follow_no_pattern() -> None:
    chance = random.Random(1)  # the same keys each time: a few in a million look like a pattern
    for size in (16, 32, 512):
        for key in (chance.randbytes(size) for _ in range(200)):
            assert not is_guessable(key.hex())
            assert not is_guessable(base64.b64encode(key).decode().rjust(32, "-"))


def test_a_setting_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    Path("key").write_text(f"{KEYS[0]}\n")
    Path("url").write_text("postgresql://me:hush@host/name")
    monkeypatch.setenv("ARPENT_SECRET_KEY_FILE", "key")
    monkeypatch.setenv("arpent_database_url_file", str(tmp_path / "url"))
    monkeypatch.setenv("ARPENT_POLICY__ATTEMPTS_FILE", "attempts")
    assert "ARPENT_POLICY__ATTEMPTS_FILE (attempts) names a file that cannot be read: No such file" in refused()
    Path("attempts").write_text("7")
    found = load()
    assert (found.secret_key[0].get_secret_value(), found.policy.attempts) == (KEYS[0], 7)
    assert found.database_url == "postgresql://me:hush@host/name"
    Path("url").write_text("mysql://me:hush@host/name")
    assert "hush" not in refused()
    monkeypatch.setenv("ARPENT_SECRET_KEY", KEYS[1])
    assert "ARPENT_SECRET_KEY_FILE and ARPENT_SECRET_KEY are both set" in refused()


@pytest.mark.parametrize(
    "name", ["DATABASE_URL", "LOG_FORMAT", "PORT", "QUOTAS", "SOURCES", "BUCKET_GRANTS", "POLICY__ATTEMPTS"]
)
def test_a_file_with_the_secret_of_another_setting(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever mixes up two files must not find the key in the log."""
    (tmp_path / "arpent_file").write_text(KEYS[0])
    monkeypatch.setenv(f"ARPENT_{name}_FILE", str(tmp_path / "arpent_file"))
    text = refused()
    assert f"ARPENT_{name}_FILE" in text
    assert "not shown" in text
    assert KEYS[0][:8] not in text


def test_a_file_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARPENT_SECRET_KEY_FILE", "")
    assert refused() == "ARPENT_SECRET_KEY_FILE is empty: unset it, or make it the path of a file"


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "is empty"), (b" \n", "is empty"), (b"\xff", "UTF-8"), (b"x" * 70_000, "larger than")]
)
def test_a_file_without_a_value(content: bytes, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("key").write_bytes(content)
    monkeypatch.setenv("ARPENT_SECRET_KEY_FILE", "key")
    assert words in refused()


def test_mounted_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mounted = tmp_path / "secrets"
    mounted.mkdir()
    monkeypatch.setattr(secret_files, "MOUNTED", mounted)
    (mounted / "arpent_secret_key").write_text(KEYS[0])
    (mounted / "postgres_password").write_text("not ours")
    assert load().secret_key[0].get_secret_value() == KEYS[0]
    monkeypatch.setenv("ARPENT_SECRET_KEY", KEYS[1])
    assert load().secret_key[0].get_secret_value() == KEYS[1], "a variable beats it"
    (mounted / "ARPENT_SECRET_KEI").write_text(KEYS[0])
    assert "did you mean ARPENT_SECRET_KEY?" in refused()


def test_a_script_has_time_before_its_partition_counts_as_hung() -> None:
    for seconds, script, expected in ((600.0, 10.0, 600.0), (600.0, 60.0, 1200.0), (0.0, 60.0, None)):
        settings = Settings.model_validate({"policy": {"stall_seconds": seconds}, "script_seconds": script})
        assert stall_seconds(settings) == expected
