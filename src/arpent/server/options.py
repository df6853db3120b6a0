"""Options: what an operator may set about the HTTP server, apart from what it serves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Frozen; the defaults are safe."""

    insecure_transport: bool = False
    """Hand out tokens over plain http beyond this machine, too."""
    trust_forwarded: bool = False
    """A proxy in front sets X-Forwarded-Proto and lets no client set it: believe it."""
    failed_reports_full: bool = True
    """A FAILED job reports completionPercentage 100 (FACTS 1.4)."""
    maximum_body: int = 10_000_000
    """Bytes of a request body, at most."""
    version: str = "0"
    """Shown in /docs."""
