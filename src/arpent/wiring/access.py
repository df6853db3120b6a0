"""Access: builds the access control of the web server. Imported only where one runs."""

from __future__ import annotations

import logging
from functools import partial

from sqlalchemy import Engine

from arpent.adapters.database.clients import SqlClientStore
from arpent.adapters.database.clock import clock_of
from arpent.adapters.database.usage import SqlUsageStore
from arpent.adapters.sources.issuer_documents import issuer_document
from arpent.domain.errors import InvalidSetting
from arpent.jobs.policy import quota_of
from arpent.server.access.callers import AccessControl
from arpent.server.access.issuer import ExternalIssuer, IssuerRules
from arpent.server.access.quotas import Quotas
from arpent.server.access.tokens import Tokens
from arpent.settings import Settings
from arpent.wiring.keys import server_keys
from arpent.worker import has_client_folders


def access_control(settings: Settings, engine: Engine) -> AccessControl:
    """Clients, tokens, quotas and the external issuer, as the settings say. Raises InvalidSetting."""
    if not (settings.own_tokens or settings.oidc_issuer):
        raise InvalidSetting("ARPENT_OWN_TOKENS is false, and ARPENT_OIDC_ISSUER is not set: nobody could log in")
    return AccessControl(
        clients=SqlClientStore(engine),
        tokens=Tokens(server_keys(settings, engine), settings.token_seconds, clock_of(engine)),
        quotas=Quotas(partial(quota_of, settings.quotas), SqlUsageStore(engine)),
        issuer=_issuer(settings),
        own_tokens=settings.own_tokens,
    )


def _issuer(settings: Settings) -> ExternalIssuer | None:
    if settings.oidc_issuer is None:
        return None
    if settings.oidc_audience is None:
        raise InvalidSetting(
            "ARPENT_OIDC_ISSUER is set without ARPENT_OIDC_AUDIENCE: its tokens for other services would be accepted"
        )
    rules = IssuerRules(
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        scope=settings.oidc_scope,
        owner_claim=settings.oidc_owner_claim,
        operator_scope=settings.oidc_operator_scope,
        metrics_scope=settings.oidc_metrics_scope,
    )
    return ExternalIssuer(rules, issuer_document)


def warn_of_shared_buckets(settings: Settings, engine: Engine) -> None:
    """Log a warning if there may be several clients but no grants: each client can then read and replace the others'
    objects wherever the server has access."""
    if settings.bucket_grants or has_client_folders(settings):
        return
    if settings.oidc_issuer is not None or SqlClientStore(engine).count() > 1:
        logging.getLogger(__name__).warning(
            "There are several clients, or another issuer's, and no bucket grants: each of them can read and replace "
            "what others keep in buckets that the server itself opens. Set ARPENT_BUCKET_GRANTS, or write <CLIENT_ID> "
            "in ARPENT_BUCKETS."
        )
