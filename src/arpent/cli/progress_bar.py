"""Progress bar of commands that wait for a job."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


def bar_of(console: Console) -> Progress:
    """A bar with status, percentage and time; add one task with `total=100` and the status as its description."""
    return Progress(
        TextColumn("  {task.description:<14}"),
        BarColumn(),
        TextColumn("{task.percentage:>5.1f} %"),
        TimeElapsedColumn(),
        console=console,
    )
