"""Task: the call that runs on a Dask worker. It reports when it begins; Dask shows nothing of it but its name."""

from __future__ import annotations

import logging
import pickle
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache

from distributed import get_worker

from arpent import __version__
from arpent.domain.boundary.unforeseen import environment_fault, panics_as_errors, sentence
from arpent.domain.errors import ArpentError, EnvironmentFault
from arpent.domain.partition import Outcome
from arpent.domain.ports.jobs import Lease


class Work:
    """One call. Picklable; Dask shows and logs only its name."""

    def __init__(self, function: Callable[[Lease], Outcome], lease: Lease, prepare: bytes | None, topic: str) -> None:
        """`prepare`: a pickled function to call once per worker process. `topic`: Dask topic to which the name is
        published when the call begins."""
        self._version = __version__
        self._function = function
        self._lease = lease
        self._prepare = prepare
        self._topic = topic
        number = "analysis" if lease.partition is None else lease.partition.number
        self.name = f"arpent-{lease.job_id}-{number}-{lease.attempt}-{uuid.uuid4().hex}"

    def __call__(self) -> Outcome:
        if self._version != __version__:  # a pickle of another version may be misread
            raise EnvironmentFault(
                f"A worker of the cluster has arpent {__version__}, but the runner {self._version}: install the same "
                "version for both"
            )
        with suppress(Exception):  # without this event the work only seems to be waiting
            get_worker().log_event(self._topic, self.name)
        if self._prepare is not None:
            _prepared(self._prepare)
        try:
            with panics_as_errors():
                return self._function(self._lease)
        except ArpentError:
            raise
        except Exception as error:
            # Its class may exist on the worker only; then the client could not unpickle it.
            logging.getLogger(__name__).exception("A partition failed unexpectedly", extra={"job": self._lease.job_id})
            raise environment_fault(error) or ArpentError(sentence(error)) from None

    def __repr__(self) -> str:
        return self.name


@lru_cache(maxsize=4)
def _prepared(prepare: bytes) -> None:
    """Run the pickled function once per worker process: the pickled bytes are the same every time, the unpickled object
    is not."""
    pickle.loads(prepare)()
