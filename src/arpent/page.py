"""Page: what the page at `/` may ask of this installation; constructor calls only."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from arpent.domain.job import Job
from arpent.domain.ports.execution import Bulkhead, PendingCall
from arpent.indices.formulas import BANDS, INDICES
from arpent.indices.masks import MASKS
from arpent.indices.script import index_script
from arpent.settings import Settings
from arpent.worker import (
    JobAsked,
    collections,
    describe_features,
    for_workers,
    store_upload,
    upload_places,
    view_results,
)

if TYPE_CHECKING:
    from arpent.server.page.options import PageOptions


def page_options(settings: Settings, bulkhead: Bulkhead) -> PageOptions:
    """What the page's routes call; it reads results and files in the processes of the bulkhead."""
    from arpent.server.page.options import PageOptions

    theirs = for_workers(settings)

    def results(job: Job, method: str, arguments: tuple[Any, ...]) -> PendingCall[bytes]:
        progress = job.progress
        moment = f"{job.status} {job.last_updated} {progress.done} {progress.failed} {progress.open}"
        asked = JobAsked(id=job.id, owner=job.owner, body=job.body, moment=moment)
        return bulkhead.submit(job.owner, partial(view_results, theirs), (asked, method, arguments))

    return PageOptions(
        results=results,
        describe=lambda client, url: bulkhead.submit(client, partial(describe_features, theirs), (client, url)),
        places=partial(upload_places, settings),
        store=partial(store_upload, settings),
        script=lambda names, collection, mask: index_script(names, collection, mask_clouds=mask),
        offers=offers(settings),
        most_upload=settings.upload_bytes,
        basemap=settings.basemap,
    )


def offers(settings: Settings) -> dict[str, object]:
    """What the form offers everybody: collections with the indices that their bands allow, and whether clouds can be
    masked."""
    known = {collection.id: collection for collection in collections(settings).values()}
    listed = [
        {
            "id": name,
            "indices": [
                {"id": index, "title": each.title}
                for index, each in INDICES.items()
                if set(each.roles) <= set(BANDS.get(name, {}))
            ],
            "masks": name in MASKS,
        }
        for name in sorted(known)
    ]
    return {"collections": listed}
