from arpent.api.client import Client as Client
from arpent.api.explain import explain as explain
from arpent.api.statistics import statistics as statistics
from arpent.domain.errors import ArpentError as ArpentError

__version__: str
__all__ = ["ArpentError", "Client", "__version__", "explain", "statistics"]
