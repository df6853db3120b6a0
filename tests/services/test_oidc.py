"""Tokens of a certified OpenID Connect issuer, at our checks and at a running server."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from arpent.adapters.sources.issuer_documents import issuer_document
from arpent.domain.errors import Forbidden, Unauthorized, WorldError
from arpent.domain.ports.clients import Role
from arpent.server.access.issuer import ExternalIssuer, IssuerRules
from tests.support.server import Server, free_port, wait_for
from tests.support.world import make_imagery

pytestmark = pytest.mark.services
SCRIPT = Path(os.environ.get("ARPENT_TEST_OIDC") or Path(__file__).parents[3] / "shared" / "tools" / "oidc_server.mjs")
MODULES = os.environ.get("ARPENT_TEST_OIDC_MODULES", "")
ACCOUNT = "11111111-1111-4111-8111-111111111111"


@dataclass
class Provider:
    """The issuer's process."""

    process: subprocess.Popen[bytes]
    log: Path
    url: str

    def token(self, client: str = "sh-user") -> str:
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": "sh-secret",
                "scope": "batch:read"}  # fmt: skip
        answer = requests.post(f"{self.url}/protocol/openid-connect/token", form, timeout=30)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def rotate(self) -> None:
        """The next tokens are signed with new keys."""
        before = self.log.read_text().count("rotated")
        self.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.log.read_text().count("rotated") > before, 60, "the rotation of the issuer's keys")

    @property
    def rules(self) -> IssuerRules:
        return IssuerRules(issuer=self.url, audience="urn:batch-stat", scope="batch:read", owner_claim="account")


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Provider]:
    if (
        not SCRIPT.is_file()
        or not shutil.which("node")
        or not (Path(MODULES) / "node_modules" / "oidc-provider").is_dir()
    ):
        pytest.skip(
            "needs node and oidc-provider of npm: set ARPENT_TEST_OIDC to the script that serves it, and set "
            "ARPENT_TEST_OIDC_MODULES to the folder of its node_modules"
        )
    folder = tmp_path / "issuer"
    folder.mkdir()
    shutil.copy(SCRIPT, folder / "server.mjs")
    (folder / "node_modules").symlink_to(Path(MODULES).absolute() / "node_modules")
    port, log = free_port(), folder / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["node", "server.mjs"], cwd=folder, env={**os.environ, "PORT": str(port)}, stdout=file,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait_for(lambda: "READY" in log.read_text() or process.poll() is not None, 120, "the issuer")
        yield Provider(process, log, f"http://127.0.0.1:{port}/auth/realms/CDSE")
    finally:
        process.kill()
        process.wait(30)


def test_its_tokens_and_what_is_none(provider: Provider) -> None:
    pauses = [0.0]
    issuer = ExternalIssuer(provider.rules, issuer_document, clock=lambda: pauses[0])
    token, other = provider.token(), provider.token("sh-es")
    for each in (token, other):
        assert issuer.issued(each)
        assert issuer.identify(each) == (ACCOUNT, Role.USER)

    def refused(text: str, **changes: str) -> None:
        with pytest.raises(Unauthorized):
            ExternalIssuer(replace(provider.rules, **changes), issuer_document).identify(text)

    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    tampered = base64.urlsafe_b64encode(json.dumps(claims | {"account": "bert"}).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    refused(token, audience="urn:another")
    refused(f"{header}.{tampered}.{signature}")
    refused(f"{none}.{payload}.")
    refused(f"{header}.{payload}.{other.split('.')[2]}")
    with pytest.raises(Forbidden):
        ExternalIssuer(replace(provider.rules, scope="batch:admin"), issuer_document).identify(token)
    with pytest.raises(WorldError):
        ExternalIssuer(replace(provider.rules, issuer=f"{provider.url}/"), issuer_document).identify(token)
    late = ExternalIssuer(provider.rules, issuer_document, now=lambda: datetime.now(UTC) + timedelta(hours=1))
    with pytest.raises(Unauthorized, match="expired"):
        late.identify(token)

    provider.rotate()
    newer = provider.token()
    with pytest.raises(Unauthorized):
        issuer.identify(newer)
    pauses[0] += 10
    assert issuer.identify(newer) == (ACCOUNT, Role.USER), "a key that nobody knew is fetched"
    assert issuer.identify(token) == (ACCOUNT, Role.USER), "it still publishes the former one"
    with pytest.raises(Unauthorized):
        issuer.identify(other)


@pytest.mark.parametrize("own", ["true", "false"])
def test_a_server_takes_its_tokens_beside_or_instead_of_its_own(provider: Provider, own: str, tmp_path: Path) -> None:
    settings = {
        "OIDC_ISSUER": provider.url, "OIDC_AUDIENCE": "urn:batch-stat", "OIDC_OWNER_CLAIM": "account",
        "OIDC_SCOPE": "batch:read", "OWN_TOKENS": own,
    }  # fmt: skip
    server = Server(folder=tmp_path / "server", catalog=make_imagery(tmp_path / "stac"), settings=settings)
    server.folder.mkdir()
    try:
        client_id, secret = server.add_client()
        server.start()

        def listed(token: str) -> int:
            return requests.get(server.batch, headers={"Authorization": f"Bearer {token}"}, timeout=60).status_code

        assert listed(provider.token()) == 200
        assert listed(provider.token()[:-8] + "AAAAAAAA") == 401
        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        answer = requests.post(server.token_url, form, timeout=60)
        assert answer.status_code == (200 if own == "true" else 404)
        if own == "true":
            assert listed(answer.json()["access_token"]) == 200
    finally:
        server.close()
