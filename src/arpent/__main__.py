"""`python -m arpent` is `arpent`."""

from __future__ import annotations

from arpent.cli.start import start

if __name__ == "__main__":
    start()
