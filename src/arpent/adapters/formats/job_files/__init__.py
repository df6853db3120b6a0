"""What lies beside a job's table: fingerprints of its rows, by which a later job keeps them, and a STAC collection."""

from arpent.adapters.formats.job_files.fingerprints import fingerprints_of
from arpent.adapters.formats.job_files.stac_collection import stac_collection
from arpent.domain.location import Location
from arpent.domain.ports.earlier import EarlierResults
from arpent.domain.ports.storage import ObjectStore

__all__ = ["fingerprints_of", "open_earlier", "stac_collection"]


def open_earlier(job_id: str, store: ObjectStore, folder: Location) -> EarlierResults:
    """As `earlier.open_tables`, which is loaded when a job updates another: few do."""
    from arpent.adapters.formats.job_files import earlier

    return earlier.open_tables(job_id, store, folder)
