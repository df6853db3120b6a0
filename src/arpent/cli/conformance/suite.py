"""Suite: runs all checks against one server."""

from __future__ import annotations

from collections.abc import Iterator

from arpent.cli.conformance.check import Check, CheckOutcome, outcomes
from arpent.cli.conformance.checks import batch, catalog, images, numbers, official_client, refusals, tokens
from arpent.cli.conformance.made_scenes import FIELDS, SCENE, features_file
from arpent.cli.conformance.target import Target
from arpent.domain.errors import InvalidRequest

GROUPS = (tokens, refusals, catalog, numbers, batch, images, official_client)
CHECKS: tuple[Check, ...] = tuple(check for group in GROUPS for check in group.CHECKS)


def chosen(names: str | None) -> tuple[Check, ...]:
    """The checks whose names begin with one of these texts, separated by commas; None: all. Raises InvalidRequest."""
    wanted = tuple(name.strip() for name in (names or "").split(",") if name.strip())
    if unknown := [name for name in wanted if not any(check.name.startswith(name) for check in CHECKS)]:
        groups = sorted({check.name.partition(".")[0] for check in CHECKS})
        raise InvalidRequest(f"--only: no check begins with {', '.join(unknown)}; there are {', '.join(groups)}")
    return tuple(check for check in CHECKS if not wanted or check.name.startswith(wanted))


def conform(target: Target, checks: tuple[Check, ...]) -> Iterator[CheckOutcome]:
    """Prepare what batch requests need, and run the checks. Raises WorldError if the server does not answer at all."""
    target.ask_token(data=target.form())
    if target.has_data:
        target.shared["scene"] = SCENE
    if target.place is not None:
        try:
            target.place.put("features.gpkg", features_file())
        except Exception as error:  # from any library; the checks that need the file report it
            target.shared["unwritable"] = f"{target.place.url} cannot be written by the suite: {type(error).__name__}"
        else:
            target.shared["features"] = {field.id: field.identifier for field in FIELDS}
    return outcomes(checks, target)
