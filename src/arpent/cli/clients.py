"""The commands of `arpent client`: who may use the server. A running server notices changes at its next request."""

from __future__ import annotations

import getpass
import json
import logging
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from arpent.cli.guard import check_target, loading, settings_of
from arpent.cli.options import JsonOption
from arpent.domain.errors import ClientNotFound, InvalidRequest
from arpent.domain.ports.clients import Client, Role
from arpent.logs import AUDIT, open_audit_log

if TYPE_CHECKING:
    from arpent.domain.ports.clients import ClientStore

app = typer.Typer(help="OAuth2 clients.", no_args_is_help=True)

Named = Annotated[str, typer.Argument(metavar="CLIENT", help="Client id, or a name that only one client has.")]
KEEP = "Keep the secret: it is stored hashed."
LONGEST_NAME = 200
"""Maximum number of characters of a client's name."""
LONGEST_OVERLAP = 24 * 366
"""Maximum hours for which a former secret may stay valid: a year."""


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Label to recognise the client by.")],
    role: Annotated[
        Role, typer.Option(help="user; operator: sees the requests of all and may stop them; metrics: only /metrics.")
    ] = Role.USER,
    as_json: JsonOption = False,
) -> None:
    """Print a new OAuth2 client id and secret; the secret cannot be shown again."""
    if not name.strip():
        raise InvalidRequest("NAME is empty: give a label to recognise the client by")
    if not name.isprintable():  # a line end could fake a line of the list, an escape sequence change the terminal
        raise InvalidRequest(f"NAME {name!a:.80} has a line break or another character that cannot be printed")
    if len(name) > LONGEST_NAME:
        raise InvalidRequest(f"NAME has {len(name)} characters, at most {LONGEST_NAME} are allowed")
    client_id, secret = _store().add(name, role)
    try:
        _print_secret(client_id, secret, KEEP, as_json=as_json)
    finally:
        _audit("add client", client_id)


@app.command("list")
def list_clients(as_json: JsonOption = False) -> None:
    """List all clients, the oldest first."""
    found = _store().list()
    if as_json:
        typer.echo(json.dumps({"data": [_shown(client) for client in found]}))
        return
    for client in found:
        state = "disabled" if client.disabled else "enabled"
        typer.echo(f"{client.id}  {client.role:<8}  {state:<8}  {client.created:%Y-%m-%d}  {_printable(client.name)}")


@app.command()
def show(client: Named, as_json: JsonOption = False) -> None:
    """Show one client: role, state, and since when its secret is valid."""
    shown = _shown(_known(_store(), client))
    if as_json:
        typer.echo(json.dumps(shown))
        return
    for name, value in shown.items():
        if value is not None:
            typer.echo(f"{name:<12}  {_printable(str(value))}")


@app.command()
def rotate(
    client: Named,
    overlap: Annotated[
        float,
        typer.Option(
            min=0, max=LONGEST_OVERLAP, help="Hours for which the current secret stays valid; 0: it leaked, end it now."
        ),
    ] = 24.0,
    as_json: JsonOption = False,
) -> None:
    """Print a new secret of a client. Without an overlap, its tokens end, too."""
    store = _store()
    found = _known(store, client)
    secret = store.rotate(found.id, timedelta(hours=overlap))
    ends = f"The previous secret stays valid for {overlap:g} hours." if overlap else "The previous secret has ended."
    try:
        _print_secret(found.id, secret, f"{KEEP} {ends}", as_json=as_json)
    finally:
        _audit("rotate client", found.id)


@app.command()
def disable(client: Named, as_json: JsonOption = False) -> None:
    """End all tokens of a client, and issue none until it is enabled. Its requests continue."""
    _change(client, "disable", as_json=as_json)


@app.command()
def enable(client: Named, as_json: JsonOption = False) -> None:
    """Let a disabled client get tokens again."""
    _change(client, "enable", as_json=as_json)


@app.command()
def remove(client: Named, as_json: JsonOption = False) -> None:
    """Delete a client permanently; all its tokens end. Its requests remain and continue: an operator may stop them."""
    _change(client, "remove", as_json=as_json)


def _change(name: str, act: Literal["disable", "enable", "remove"], *, as_json: bool) -> None:
    """Call the store's method of this name, and report that it is done."""
    store = _store()
    client = _known(store, name)
    {"disable": store.disable, "enable": store.enable, "remove": store.remove}[act](client.id)
    _audit(f"{act} client", client.id)
    done = f"{act}d"
    typer.echo(
        json.dumps({"client_id": client.id, "done": done})
        if as_json
        else f"{client.id} ({_printable(client.name)}) is {done}."
    )


def _printable(name: str) -> str:
    """The name on one line; an older version accepted any characters."""
    return name if name.isprintable() else ascii(name)


def _store() -> ClientStore:
    with loading():
        from arpent.wiring import store

    settings = settings_of()
    check_target(settings.audit_log, "ARPENT_AUDIT_LOG")
    open_audit_log(settings.audit_log)
    return store.clients(store.database(settings))


def _audit(act: str, client_id: str) -> None:
    """Write the act and the user to the audit log, if there is one."""
    who = _user()
    logging.getLogger(AUDIT).info(
        f"{act} by {who}: done", extra={"fields": {"user": who, "act": act, "target": client_id, "outcome": "done"}}
    )


def _user() -> str:
    """Name of the user who runs the command; users in containers may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # depends on the version of Python; also on Windows
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"


def _known(store: ClientStore, name: str) -> Client:
    """The client with this id or name. Raises ClientNotFound, and InvalidRequest if several clients have the name."""
    if (client := store.find(name)) is not None:
        return client
    found = [each for each in store.list() if each.name == name]
    if not found:
        raise ClientNotFound(f"There is no client {name!r:.80}; see `arpent client list`")
    if len(found) > 1:
        raise InvalidRequest(f"{len(found)} clients are called {name!r:.80}: give the id; see `arpent client list`")
    return found[0]


def _shown(client: Client) -> dict[str, object]:
    lasting = client.former_until is not None and client.former_until > datetime.now(UTC)
    return {
        "id": client.id,
        "name": client.name,
        "role": client.role.value,
        "disabled": client.disabled,
        "created": client.created.isoformat(),
        "rotated": client.rotated.isoformat() if client.rotated else None,
        "formerUntil": client.former_until.isoformat() if lasting and client.former_until else None,
    }


def _print_secret(client_id: str, secret: str, advice: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"client_id": client_id, "client_secret": secret}))
    else:
        typer.echo(f"client id      {client_id}\nclient secret  {secret}\n{advice}")
