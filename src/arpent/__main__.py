"""`python -m arpent` is `arpent`."""

from __future__ import annotations

from arpent.cli.main import app

app()
