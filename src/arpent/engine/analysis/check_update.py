"""Check update: whether the earlier request that a job updates has left results where this job looks for them."""

from __future__ import annotations

from arpent.domain.errors import InvalidRequest, StorageNotFound
from arpent.domain.ports.storage import ObjectStore
from arpent.domain.request import Request
from arpent.engine.output_keys import own


def check_update(request: Request, store: ObjectStore) -> None:
    """Raises InvalidRequest if the earlier request left no fingerprints; StorageDenied, StorageUnavailable."""
    if request.update is None:
        return
    assert request.output is not None, "a batch request has an output"
    folder = own(request.output, request.update, "fingerprints/")
    try:
        found = next(iter(store.list(folder)), None)
    except StorageNotFound:
        found = None
    if found is None:
        raise InvalidRequest.at(
            "update",
            f"there are no results of request {request.update} below {folder.url}: write to the output that it wrote "
            "to, or leave update out",
        )
