"""Options of the HTTP server that an operator can set."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from arpent.jobs.policy import Policy
from arpent.server.page.files import BUILT


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """Options of the HTTP server; the defaults are safe."""

    insecure_transport: bool = False
    """Whether to issue tokens over plain http to clients on other machines."""
    trust_forwarded: bool = False
    """Whether to trust X-Forwarded-Proto, -Host and -Prefix, which a proxy sets and clients cannot."""
    public_metrics: bool = False
    """Whether everyone who can reach the server may read /metrics."""
    policy: Policy = field(default_factory=Policy)
    """Limits of a job's life; used here for the completionPercentage of a FAILED job."""
    maximum_body: int = 10_000_000
    """Maximum size of a request body in bytes."""
    maximum_batch_body: int = 1_000_000
    """Maximum length of a batch request in characters: it is stored, and appears in every list."""
    patience: float = 120.0
    """Seconds that a call may wait for a free process."""
    version: str = "0"
    """Version shown in /docs."""
    page_files: Path = BUILT
    """Folder of the built page."""
