"""Quotas: what the settings allow each client, for servers and runners."""

from __future__ import annotations

from sqlalchemy import Engine

from arpent.adapters.database.usage import SqlUsageStore
from arpent.adapters.database.work.store import SqlWorkStore
from arpent.domain.ports.clients import Usage
from arpent.jobs.policy import quota_of
from arpent.settings import Settings


def work_store(settings: Settings, engine: Engine) -> SqlWorkStore:
    """The store of work, in which clients take turns according to their weights."""
    return SqlWorkStore(engine, weight=lambda owner: quota_of(settings.quotas, owner).weight or 1.0)


def is_exhausted(settings: Settings, engine: Engine, owner: str) -> bool:
    """Whether the client has used up this month's processing units."""
    limit = quota_of(settings.quotas, owner).processing_units_per_month
    return limit is not None and SqlUsageStore(engine).this_month(owner, Usage.PROCESSING_UNITS) >= limit
