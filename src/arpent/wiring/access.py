"""Access: who may use the server. Loaded where a web server runs."""

from __future__ import annotations

from functools import partial

from sqlalchemy import Engine

from arpent.adapters.database.clients import SqlClientStore
from arpent.adapters.database.usage import SqlUsageStore
from arpent.jobs.quota import quota_of
from arpent.server.access.callers import AccessControl
from arpent.server.access.quotas import Quotas
from arpent.server.access.tokens import Tokens
from arpent.settings import Settings
from arpent.wiring.keys import server_keys


def access_control(settings: Settings, engine: Engine) -> AccessControl:
    """Clients, tokens and quotas of the settings."""
    return AccessControl(
        clients=SqlClientStore(engine),
        tokens=Tokens(server_keys(settings, engine), settings.token_seconds),
        quotas=Quotas(partial(quota_of, settings.quotas), SqlUsageStore(engine)),
    )
