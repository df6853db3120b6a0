"""The ports of clients: stores for OAuth2 clients, their roles, and what they have used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What a client may do."""

    USER = "user"
    """May use its own requests only."""
    OPERATOR = "operator"
    """May use its own requests, and also see and stop those of all clients."""
    METRICS = "metrics"
    """May read /metrics, and nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An OAuth2 client; its secrets stay in the store."""

    id: str
    """A UUID; never reused for another client."""
    name: str
    """Label to recognise the client by; it need not be unique."""
    role: Role
    """What the client may do."""
    created: datetime
    """When the client was added; aware, UTC."""
    disabled: bool = False
    """Whether the client gets no tokens, and its existing tokens are rejected."""
    generation: int = 0
    """How many times all tokens of the client have been revoked; a token states the generation it was issued in."""
    rotated: datetime | None = None
    """When the client got its current secret; None: when it was added."""
    former_until: datetime | None = None
    """Until when the previous secret remains valid; None: it is not valid."""


class ClientStore(Protocol):
    """Stores OAuth2 clients; secrets are stored hashed. A change by one process is seen by all others at their next
    call. Every method raises WorldError if the store does not respond."""

    def add(self, name: str, role: Role = Role.USER) -> tuple[str, str]:
        """Create a client and return (client id, secret). The secret cannot be read again."""

    def verify(self, client_id: str, secret: str) -> Client | None:
        """The client, if the secret is its current one, or the previous one while that is valid; compared in constant
        time. None for a wrong secret, an unknown client or a disabled one."""

    def find(self, client_id: str) -> Client | None:
        """The client with this id, disabled or not; None if there is none."""

    def list(self) -> tuple[Client, ...]:
        """All clients, oldest first."""

    def rotate(self, client_id: str, overlap: timedelta) -> str:
        """Give the client a new secret and return it. The current one stays valid for `overlap`; any older one expires
        at once. Without an overlap, the client's tokens are revoked too. Raises ClientNotFound."""

    def disable(self, client_id: str) -> None:
        """Revoke all tokens of the client, and issue no new ones until it is enabled. Raises ClientNotFound."""

    def enable(self, client_id: str) -> None:
        """Let a disabled client get tokens again; its earlier tokens stay revoked. Raises ClientNotFound."""

    def remove(self, client_id: str) -> None:
        """Delete the client and revoke all its tokens. Its requests are kept and continue. Raises ClientNotFound."""


class Usage(StrEnum):
    """A resource that clients use up, counted per calendar month (UTC)."""

    PROCESSING_UNITS = "processing units"
    UPLOAD_BYTES = "upload bytes"


class UsageStore(Protocol):
    """Counts what clients have used. Every method raises WorldError if the store does not respond."""

    def add(self, client_id: str, usage: Usage, amount: float) -> None:
        """Add to the client's usage of this month."""

    def this_month(self, client_id: str, usage: Usage) -> float:
        """The client's usage of this month so far."""
