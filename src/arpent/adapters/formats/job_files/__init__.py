"""Files next to a job's table: fingerprints of its rows, by which a later job can keep them, and a STAC collection."""

from arpent.adapters.formats.job_files.fingerprints import fingerprints_of
from arpent.adapters.formats.job_files.stac_collection import stac_collection
from arpent.domain.location import Location
from arpent.domain.ports.earlier import EarlierResults
from arpent.domain.ports.storage import ObjectStore

__all__ = ["fingerprints_of", "open_earlier", "stac_collection"]


def open_earlier(job_id: str, store: ObjectStore, folder: Location) -> EarlierResults:
    """The results of an earlier job, from `earlier.open_tables`, which is imported only here: few jobs update
    another."""
    from arpent.adapters.formats.job_files import earlier

    return earlier.open_tables(job_id, store, folder)
