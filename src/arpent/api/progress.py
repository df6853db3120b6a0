"""Progress: a bar on standard error with rate and remaining time, in a terminal or a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from numba.core.event import Event, Listener, install_listener
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from arpent.domain.job import Job, Status

if TYPE_CHECKING:  # a command that runs one request does not need the modules for tables
    from arpent.api.local import Watch

LONG_MINUTES = 1.0
"""Minutes from which an estimate is shown before the work begins."""


@contextmanager
def bar(console: Console | None) -> Iterator[Watch]:
    """A progress bar; yields the function to call with a job's state. `console` None: nothing is shown."""
    if console is None:
        yield lambda job, number, count: None
        return
    columns = (
        TextColumn("  {task.description:<14}"),
        BarColumn(),
        TextColumn("{task.percentage:>5.1f} %  {task.fields[words]}"),
        TimeRemainingColumn(),
    )
    announced: set[str] = set()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("READING", total=100, words="")

        def watch(job: Job, number: int, count: int) -> None:
            done = job.progress.percentage if job.status is Status.PROCESSING else 100.0 * (job.status is Status.DONE)
            if job.estimate and job.id not in announced:
                announced.add(job.id)
                if (words := estimate_of(job)) is not None:
                    progress.console.print(words, highlight=False, soft_wrap=True)
            progress.update(
                task, description=str(job.status), completed=(number * 100 + done) / count, words=_words(job)
            )

        yield watch


class CompilerWatch(Listener):
    """While in use, calls `told` with True before this process compiles a kernel, and with False afterwards."""

    def __init__(self, told: Callable[[bool], None]) -> None:
        self._told = told

    def on_start(self, event: Event) -> None:
        """Called when a kernel that this machine's cache lacks is about to be compiled."""
        self._told(True)

    def on_end(self, event: Event) -> None:
        """Called when the kernel has been compiled."""
        self._told(False)


@contextmanager
def compiling(told: Callable[[bool], None]) -> Iterator[None]:
    """Call `told` whenever this process begins or stops waiting for the compiler of kernels."""
    with install_listener("numba:compile", CompilerWatch(told)):
        yield


def estimate_of(job: Job) -> str | None:
    """The estimate in words, if the job takes long; None: it does not."""
    minutes = job.estimate.get("minutes", 0.0)
    if minutes < LONG_MINUTES:
        return None
    size = job.estimate.get("bytes", 0.0) / 1e9
    return f"  about {minutes:.0f} min: {job.estimate.get('features', 0):,.0f} features, {size:.1f} GB to read"


def _words(job: Job) -> str:
    progress = job.progress
    words = [f"{progress.done + progress.failed:,} of {progress.features:,} features"] if progress.features else []
    if progress.failed:
        words.append(f"{progress.failed:,} failed")
    if progress.rate is not None:
        words.append(f"{progress.rate:,.0f} per second" if progress.rate >= 10 else f"{progress.rate:.2g} per second")
    return ", ".join(words)


@contextmanager
def remote_bar(console: Console | None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A progress bar; yields the function to call with a status object. `console` None: nothing is shown."""
    if console is None:
        yield lambda status: None
        return
    columns = (
        TextColumn("  {task.description:<14}"),
        BarColumn(),
        TextColumn("{task.percentage:>5.1f} %"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=100)
        yield lambda status: progress.update(
            task, description=str(status["status"]), completed=float(status["completionPercentage"])
        )
