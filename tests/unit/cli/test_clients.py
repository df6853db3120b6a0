"""`arpent client`: every command, on a database of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from arpent.adapters.database.clients import SqlClientStore
from arpent.cli.main import app
from arpent.settings import load
from arpent.wiring import store as wiring


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def told(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["client", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def answer(*arguments: str) -> Any:
    return json.loads(told(*arguments, "--json"))


def store() -> SqlClientStore:
    return wiring.clients(wiring.database(load()))


def test_a_life() -> None:
    made = answer("add", "anna", "--role", "operator")
    client_id, first = made["client_id"], made["client_secret"]
    assert store().verify(client_id, first)
    (listed,) = answer("list")["data"]
    assert listed == answer("show", client_id) == answer("show", "anna")
    assert (listed["id"], listed["name"], listed["role"], listed["disabled"]) == (client_id, "anna", "operator", False)
    second = answer("rotate", "anna", "--overlap", "2")["client_secret"]
    assert store().verify(client_id, first)
    assert answer("show", "anna")["formerUntil"] > answer("show", "anna")["rotated"]
    third = answer("rotate", "anna", "--overlap", "0")["client_secret"]
    assert [bool(store().verify(client_id, each)) for each in (first, second, third)] == [False, False, True]
    assert answer("disable", "anna") == {"client_id": client_id, "done": "disabled"}
    assert not store().verify(client_id, third)
    assert answer("enable", client_id)["done"] == "enabled"
    assert store().verify(client_id, third)
    assert answer("remove", "anna")["done"] == "removed"
    assert answer("list")["data"] == []


def test_in_words() -> None:
    shown = told("add", "anna")
    client_id = shown.split()[2]
    assert "Keep the secret" in shown
    assert f"{client_id}  user      enabled" in told("list")
    assert "role          user" in told("show", "anna")
    assert "valid for 24 hours" in told("rotate", "anna")
    assert "has ended" in told("rotate", "anna", "--overlap", "0")
    assert f"{client_id} (anna) is disabled." in told("disable", "anna")


def test_a_name_of_two_clients_is_no_name() -> None:
    first, second = answer("add", "anna")["client_id"], answer("add", "anna")["client_id"]
    assert "2 clients are called 'anna'" in told("remove", "anna", code=2)
    told("remove", first)
    assert answer("show", "anna")["id"] == second


@pytest.mark.parametrize(
    "name", ["two\nlines", "\x1b[31mred", "\u202eback", "\x9b31m", pytest.param("x" * 201, id="long")]
)
def test_a_name_is_a_line_that_can_be_printed(name: str) -> None:
    assert "NAME" in told("add", name, code=2)
    assert store().list() == ()
    store().add(name)  # as an older version did
    (line,) = told("list").splitlines()
    assert len(told("show", name).splitlines()) == 5
    assert (line + told("disable", name).rstrip("\n")).isprintable()


def test_a_name_may_look_like_an_option_and_be_in_any_language() -> None:
    for name in ("--json", "ÄÖ 日本 ☃", " x "):
        told("add", "--", name)
        assert json.loads(told("show", "--json", "--", name))["name"] == name


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 10001"), OSError("No username set")])
def test_a_user_without_a_name_gets_the_secret(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """As in a container that runs as a number."""

    def nobody() -> str:
        raise error

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.setenv("ARPENT_AUDIT_LOG", "audit.log")
    made = answer("add", "anna")
    assert store().verify(made["client_id"], made["client_secret"])
    assert json.loads(Path("audit.log").read_text())["user"] == f"uid {os.getuid()}"


def test_an_audit_log_tells_who_changed_what(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARPENT_AUDIT_LOG", "audit.log")
    made = answer("add", "anna")
    for command in ("rotate", "disable", "enable", "remove"):
        told(command, "anna")
    text = Path("audit.log").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["act"] for line in lines] == [
        f"{act} client" for act in ("add", "rotate", "disable", "enable", "remove")
    ]
    assert {line["target"] for line in lines} == {made["client_id"]}
    assert all(line["user"] for line in lines)
    assert made["client_secret"] not in text
    assert Path("audit.log").stat().st_mode & 0o077 == 0
    Path("audit.log").chmod(0o644)
    told("list")
    assert Path("audit.log").stat().st_mode & 0o077 == 0, "one that was there, too"
    monkeypatch.setenv("ARPENT_AUDIT_LOG", "absent/audit.log")
    assert "ARPENT_AUDIT_LOG absent/audit.log: there is no folder" in told("list", code=2)
