"""Entry point of `python -m arpent`, which is the same as the command `arpent`."""

from __future__ import annotations

from arpent.cli.start import start

if __name__ == "__main__":
    start()
