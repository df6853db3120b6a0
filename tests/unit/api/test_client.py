"""The client: what is sent again, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

import arpent
from arpent.api import client as module
from tests.support.http_server import QuietHandler, served


@dataclass
class Gateway:
    """Before a server: gives tokens, and these answers to the rest; the last one again and again."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    state = Gateway()

    class Handler(QuietHandler):
        def _serve(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            status, answer = 200, b'{"access_token": "t"}'
            if not self.path.startswith("/oauth"):
                state.asked.append(self.command)
                status = state.statuses.pop(0) if len(state.statuses) > 1 else state.statuses[0]
                answer = b'{"id": "a"}'
            self.send_response(status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = _serve  # noqa: N815

    with served(Handler) as state.url:
        yield state


@pytest.mark.parametrize("status", [429, 503])
def test_a_request_that_was_not_taken_is_sent_again(gateway: Gateway, status: int) -> None:
    gateway.statuses = [status, status, 201]
    assert arpent.Client(gateway.url, "a", "b").submit({}, start=False).id == "a"
    assert gateway.asked == ["POST"] * 3


@pytest.mark.parametrize("status", [502, 504])
def test_a_job_that_may_have_been_made_is_not_made_again(gateway: Gateway, status: int) -> None:
    gateway.statuses = [status]
    with pytest.raises(arpent.ArpentError, match=str(status)):
        arpent.Client(gateway.url, "a", "b").submit({})
    assert gateway.asked == ["POST"]
    gateway.asked.clear()
    gateway.statuses = [status, 200]
    assert arpent.Client(gateway.url, "a", "b").job("a").id == "a"
    assert gateway.asked == ["GET"] * 2
