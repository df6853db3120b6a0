"""Ticket: work on a Dask cluster, awaited on the client's event loop and queried from the runner's thread."""

from __future__ import annotations

import asyncio
from concurrent import futures

from distributed import Future, KilledWorker
from distributed.comm import CommClosedError

from arpent.domain.errors import ArpentError, EnvironmentFault, WorkerDied, WorkLost, WorldError
from arpent.domain.partition import Outcome


class DaskTicket:
    """A Ticket for work on a Dask cluster."""

    def __init__(self, future: Future[Outcome]) -> None:
        self._future = future
        self._waiting = asyncio.run_coroutine_threadsafe(_outcome(future), future.client.loop.asyncio_loop)
        self._begun = False
        self._lost: WorldError | None = None

    def done(self) -> bool:
        return self._lost is not None or self._waiting.done()

    def begun(self) -> bool:
        return self._begun or self.done()

    def result(self) -> Outcome:
        if self._lost is not None:
            raise self._lost
        try:
            return self._waiting.result()
        except KilledWorker as error:
            raise WorkerDied(f"Workers of the cluster died ({error.last_worker.address})") from None
        except (futures.CancelledError, asyncio.CancelledError, CommClosedError, OSError) as error:
            raise WorkLost(f"The cluster lost the work ({type(error).__name__})") from error
        except ArpentError:
            raise
        except Exception as error:  # Work raises ArpentErrors only: the worker could not begin it
            raise EnvironmentFault(f"A worker of the cluster cannot run arpent: {error}") from error

    def cancel(self) -> None:
        """Give up the work. If it has begun it continues in its worker, but its outcome is dropped."""
        self._waiting.cancel()
        self._future.client.loop.add_callback(_forget, self._future)

    def hold(self, seconds: float) -> None:
        """Do nothing: work that has begun cannot be ended in its worker."""

    def begin(self) -> None:
        """Note that a worker has begun the work."""
        self._begun = True

    def lose(self, error: WorldError) -> None:
        """End the ticket with this error: the worker that had the work does not respond."""
        if not self._waiting.done():
            self._lost = error
            self.cancel()


async def _outcome(future: Future[Outcome]) -> Outcome:
    outcome: Outcome = await future
    return outcome


async def _forget(future: Future[Outcome]) -> None:
    await future.cancel()
