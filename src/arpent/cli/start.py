"""Start: the command line in a process of its own."""

from __future__ import annotations

from arpent.adapters.formats.vector.without_pandas import leave_pandas_out


def start() -> None:
    """Run the command that the arguments name, and end the process."""
    leave_pandas_out()
    from arpent.cli.main import app

    app()
