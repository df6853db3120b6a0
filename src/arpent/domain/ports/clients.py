"""The port of clients: who may use the server, in which role, and where that is stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What a client may do."""

    USER = "user"
    """Its own requests, and nothing of others."""
    OPERATOR = "operator"
    """Its own requests; besides, it sees those of all clients and may stop them."""
    METRICS = "metrics"
    """Read /metrics, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An OAuth2 client; its secrets stay in the store."""

    id: str
    """A UUID; never given to another client."""
    name: str
    """Label to recognise it by; several clients may have the same."""
    role: Role
    """What it may do."""
    created: datetime
    """When it was added, aware, UTC."""
    disabled: bool = False
    """Whether it gets no token, and its tokens are refused."""
    generation: int = 0
    """How often all its tokens were ended; a token names the generation in which it was issued."""
    rotated: datetime | None = None
    """When it got its present secret; None: when it was added."""
    former_until: datetime | None = None
    """Until when the secret before the present one is valid, too; None: it is not."""


class ClientStore(Protocol):
    """Stores OAuth2 clients; secrets are stored hashed. What one process changes, every other sees at its next call.
    Every method raises WorldError when the store does not answer."""

    def add(self, name: str, role: Role = Role.USER) -> tuple[str, str]:
        """Create a client and return (client id, secret). The secret cannot be read again."""

    def verify(self, client_id: str, secret: str) -> Client | None:
        """The client whose secret this is, the present one or the former while it is valid; compared in constant time.
        None for a wrong secret, an unknown client and a disabled one."""

    def find(self, client_id: str) -> Client | None:
        """The client of this id, disabled or not; None if there is none."""

    def list(self) -> tuple[Client, ...]:
        """All clients, oldest first."""

    def rotate(self, client_id: str, overlap: timedelta) -> str:
        """Give the client a new secret and return it. The present one stays valid for `overlap`, and the one before it
        ends. Without an overlap, its tokens end too. Raises ClientNotFound."""

    def disable(self, client_id: str) -> None:
        """End all tokens of the client, and give it no new one until it is enabled. Raises ClientNotFound."""

    def enable(self, client_id: str) -> None:
        """Let a disabled client get tokens again; the earlier ones stay ended. Raises ClientNotFound."""

    def remove(self, client_id: str) -> None:
        """Delete the client; all its tokens end. Its requests stay, and go on. Raises ClientNotFound."""


class Usage(StrEnum):
    """What a client used up, counted by calendar month (UTC)."""

    PROCESSING_UNITS = "processing units"
    UPLOAD_BYTES = "upload bytes"


class UsageStore(Protocol):
    """Counts what clients used. Every method raises WorldError when the store does not answer."""

    def add(self, client_id: str, usage: Usage, amount: float) -> None:
        """Add to the client's usage of this month."""

    def this_month(self, client_id: str, usage: Usage) -> float:
        """The client's usage of this month so far."""
