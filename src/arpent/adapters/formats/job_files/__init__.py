"""What lies beside a job's table: fingerprints of its rows, by which a later job keeps them, and a STAC collection."""

from arpent.adapters.formats.job_files.earlier import open_earlier
from arpent.adapters.formats.job_files.fingerprints import fingerprints_of
from arpent.adapters.formats.job_files.stac_collection import stac_collection

__all__ = ["fingerprints_of", "open_earlier", "stac_collection"]
