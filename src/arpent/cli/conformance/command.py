"""`arpent conformance`: checks whether a server does what the real service is documented to do."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from arpent import __version__
from arpent.cli.guard import FAULT, check_target
from arpent.cli.options import JsonOption
from arpent.domain.errors import InvalidRequest

if TYPE_CHECKING:
    from arpent.cli.conformance.target import Place, Target


def conformance(  # noqa: PLR0913, PLR0917
    url: Annotated[str | None, typer.Argument(help="The server: http://127.0.0.1:8000.")] = None,
    client_id: Annotated[str | None, typer.Option(envvar="SH_CLIENT_ID", help="Id of an OAuth client.")] = None,
    client_secret: Annotated[str | None, typer.Option(envvar="SH_CLIENT_SECRET", help="Best as a variable.")] = None,
    token_url: Annotated[str | None, typer.Option(help="Where to get tokens; default: the server.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of --make-data, which the server serves.")] = None,
    bucket: Annotated[str | None, typer.Option(help="s3://bucket/prefix for batch requests; keys: AWS_*.")] = None,
    at: Annotated[str, typer.Option(help="Longitude and latitude where there is Sentinel-2 L2A.")] = "11.35,46.5",
    start: Annotated[str, typer.Option("--from", help="First day of a search for an acquisition.")] = "2024-06-01",
    end: Annotated[str, typer.Option("--to", help="Last day of the search.")] = "2024-06-30",
    only: Annotated[str | None, typer.Option(help="Check names or their beginnings: token,error.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write a report: *.html or *.md.")] = None,
    make_data: Annotated[Path | None, typer.Option(help="Write the data set into this folder and exit.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a server of the Batch Statistical API, arpent or another, against the real service's documentation.

    Exit code 1: a check failed."""
    from arpent.cli.conformance.check import Verdict
    from arpent.cli.conformance.made_scenes import AT, DAYS
    from arpent.cli.conformance.report import Report, check_ending, line
    from arpent.cli.conformance.suite import chosen, conform

    if make_data is not None:
        _make(make_data, as_json=as_json)
        return
    checks = chosen(only)
    check_ending(report)
    check_target(report, "--report")
    target = _target(url, client_id, client_secret, token_url, at, (start, end))
    target.place = _place(data, bucket)
    if data is not None:
        target.has_data, target.at, target.days = True, AT, (DAYS[0], DAYS[-1])
    found = []
    for outcome in conform(target, checks):
        found.append(outcome)
        if not as_json:
            typer.echo(line(outcome))
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    whole = Report(url=target.url, version=__version__, when=now, outcomes=found)
    typer.echo(json.dumps(whole.as_json) if as_json else whole.summary)
    if report is not None:
        whole.write(report)
    if whole.count(Verdict.FAILED):
        raise typer.Exit(FAULT)


def _make(folder: Path, *, as_json: bool) -> None:
    """Write the data set, and print the settings of a server that serves it."""
    from arpent.cli.conformance.made_scenes import make_data_set

    make_data_set(folder)
    settings = {"ARPENT_CATALOG": str(folder / "catalog"), "ARPENT_BUCKETS": str(folder / "buckets")}
    typer.echo(json.dumps(settings) if as_json else "\n".join(f"{name}={value}" for name, value in settings.items()))


def _target(
    url: str | None,
    client_id: str | None,
    client_secret: str | None,
    token_url: str | None,
    at: str,
    days: tuple[str, str],
) -> Target:
    """The target that the options describe. Raises InvalidRequest if an option is missing or cannot be read."""
    from arpent.cli.conformance.target import TOKEN_PATH, Target

    if missing := [
        name
        for name, value in {"URL": url, "--client-id": client_id, "--client-secret": client_secret}.items()
        if not value
    ]:
        raise InvalidRequest(f"{', '.join(missing)} is missing: see `arpent conformance --help`")
    assert url is not None
    for name, address in {"URL": url, "--token-url": token_url}.items():
        if address is not None and (urlsplit(address).scheme not in ("http", "https") or not urlsplit(address).netloc):
            raise InvalidRequest(f"{name} is {address!r:.80}, but must begin with http:// or https://")
    try:
        place = tuple(float(part) for part in at.split(","))
        first, last = (date.fromisoformat(day) for day in days)
    except ValueError:
        raise InvalidRequest("--at must be as 11.35,46.5, and --from and --to as 2024-06-01") from None
    if len(place) != 2 or abs(place[0]) > 180 or abs(place[1]) > 85 or last < first:
        raise InvalidRequest("--at must be a longitude and a latitude, and --to must not be before --from")
    own = url.rstrip("/")
    return Target(
        url=own,
        token_url=token_url or own + TOKEN_PATH,
        client_id=client_id or "",
        client_secret=client_secret or "",
        at=(place[0], place[1]),
        days=(first.isoformat(), last.isoformat()),
    )


def _place(data: Path | None, bucket: str | None) -> Place | None:
    """Where batch requests read and write. Raises InvalidRequest."""
    from arpent.cli.conformance.buckets import bucket_of_folder, bucket_of_url

    if bucket is not None:
        return bucket_of_url(bucket)
    if data is None:
        return None
    if not (data / "catalog").is_dir():
        raise InvalidRequest(f"--data {data} is not a data set: make one with `arpent conformance --make-data {data}`")
    return bucket_of_folder(data)
