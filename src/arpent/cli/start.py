"""Start: the command line in a process of its own."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from arpent.adapters.formats.vector.without_pandas import leave_pandas_out


def start() -> None:
    """Run the command that the arguments name, and end the process."""
    leave_pandas_out()
    from arpent.cli.main import app

    app()


@contextmanager
def loading() -> Iterator[None]:
    """For a block of imports: nothing is collected in it, and what it leaves is never walked over again. Both together
    are a fifth of a second of a command that computes."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
