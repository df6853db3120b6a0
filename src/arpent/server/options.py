"""Options: what an operator may set about the HTTP server, apart from what it serves."""

from __future__ import annotations

from dataclasses import dataclass, field

from arpent.jobs.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Frozen; the defaults are safe."""

    insecure_transport: bool = False
    """Hand out tokens over plain http beyond this machine, too."""
    trust_forwarded: bool = False
    """A proxy in front sets X-Forwarded-Proto and lets no client set it: believe it."""
    policy: Policy = field(default_factory=Policy)
    """Limits of a job's life; here: what a FAILED job reports as completionPercentage."""
    maximum_body: int = 10_000_000
    """Bytes of a request body, at most."""
    maximum_batch_body: int = 1_000_000
    """Characters of a batch request, at most: it is kept, and comes back in every list."""
    patience: float = 120.0
    """Seconds that a call may wait for a free process."""
    version: str = "0"
    """Shown in /docs."""
