"""Settings: one frozen value from `ARPENT_*` variables, mounted secrets and a TOML file. Unknown names and invalid
values are refused, with the name in the message."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from arpent.domain.errors import InvalidSetting
from arpent.jobs.policy import Policy
from arpent.network.source import ArchiveSource
from arpent.setting_values import parsed
from arpent.settings.model import TABLES, Settings
from arpent.settings.secret_files import ENDING, mounted_files, value_in

__all__ = ["CONFIG", "FILE", "HELPERS", "PREFIX", "TABLES", "TRACEBACK", "Settings", "load", "variables"]

PREFIX = "ARPENT_"
CONFIG = "ARPENT_CONFIG"
"""Variable that names the TOML file."""
FILE = "arpent.toml"
"""The default TOML file, which may be missing."""
TRACEBACK = "ARPENT_TRACEBACK"
"""Variable that makes commands print tracebacks; see `cli.guard`."""
HELPERS = ("ARPENT_TEST_", "ARPENT_BENCH_")
"""Prefixes of variables for tests and benchmarks, which are not settings and are ignored."""
POD = "KUBERNETES_SERVICE_HOST"
"""Set in every Kubernetes pod, with variables named after services, which may also begin with ARPENT_."""


Place = tuple[str, ...]
"""Path of a setting: `("port",)`, `("policy", "attempts")`, `("catalogs", "dem")`."""
KINDS = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "string": "a text"}
"""Type in a JSON schema → wording for messages."""
_SCHEMA = Settings.model_json_schema()
_LINK = re.compile(r"\w*_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)")
_PASSWORD = re.compile(r"(?i)(://[^:/@\s]*:)\S*(?=@)|([?&](?:ssl)?password=)[^&\s\"]*")
SECRET = (("secret_key",), ("database_url",))
"""Settings that are or contain a secret; messages about them show nothing of the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """The value found for one setting."""

    name: str
    """The name that the user knows: the variable, or the key and its file."""
    value: Any
    """The value as written."""
    hidden: bool = False
    """Whether the value must never be shown: it is from a secret file, and may be another setting's secret."""


_Found = dict[Place, _Entry]


def load(**given: object) -> Settings:
    """Read the settings of this process. In order of precedence: `given`, the environment, mounted secrets, the TOML
    file. Raises InvalidSetting, which names everything that is wrong."""
    faults: list[str] = []
    options: _Found = {
        (name,): _Entry(name=f"--{name}", value=given[name]) for name in given if given[name] is not None
    }
    found: _Found = {
        **_of_file(os.environ, faults), **_of_mounted(faults), **_of_environment(os.environ, faults), **options
    }  # fmt: skip
    faults += (_fault(place, entry) for place, entry in found.items() if _is_misplaced_boolean(place, entry.value))
    try:
        settings = Settings.model_validate(_nested(found))
    except ValidationError as error:
        faults += _translated(error, found)
    if faults:
        raise InvalidSetting("; ".join(dict.fromkeys(faults)))
    return settings


def variables() -> dict[str, object]:
    """Name of each variable that is read → its default."""
    defaults: dict[str, object] = {CONFIG: FILE, TRACEBACK: False}
    for name, field in Settings.model_fields.items():
        if name != "policy":
            defaults[f"{PREFIX}{name.upper()}"] = field.get_default(call_default_factory=True)
    return defaults | {f"{PREFIX}POLICY__{one.name.upper()}": one.default for one in fields(Policy)}


def _of_environment(environment: Mapping[str, str], faults: list[str]) -> _Found:
    found: _Found = {}
    for name, value in sorted(environment.items(), key=lambda pair: pair[0].count("__")):
        place = tuple(name.upper().removeprefix(PREFIX).lower().split("__"))
        if not name.upper().startswith(PREFIX) or _is_not_ours(name.upper(), value, environment):
            continue
        if (named := _without_ending(place)) is not None:
            if (twin := PREFIX + "__".join(named).upper()) in map(str.upper, environment):
                faults.append(f"{name} and {twin} are both set: unset one of them")
            elif not value:
                faults.append(f"{name} is empty: unset it, or make it the path of a file")
            else:
                found |= _of_named_file(named, f"{name} ({value})", Path(value), faults)
            continue
        if not _is_known(place):
            faults.append(f"{name} is not a setting{_meant(name.upper(), variables())}")
        elif not value:
            faults.append(f"{name} is empty: unset it, or make it {_allowed(place)}")
        elif len(place) == 1 and place[0] in TABLES:
            found |= _table(place, _Entry(name=name, value=parsed(value)), faults)
        else:
            found[place] = _Entry(name=name, value=value)
    return found


def _without_ending(place: Place) -> Place | None:
    """The setting that a variable ending in _FILE refers to; None for another ending, or an unknown setting."""
    last = place[-1]
    if not last.upper().endswith(ENDING):
        return None
    setting = (*place[:-1], last[: -len(ENDING)])
    return setting if _is_known(setting) else None


def _of_mounted(faults: list[str]) -> _Found:
    """The settings found among the machine's mounted secrets."""
    found: _Found = {}
    for path in mounted_files(PREFIX):
        place = tuple(path.name.upper().removeprefix(PREFIX).lower().split("__"))
        if _is_known(place):
            found |= _of_named_file(place, str(path), path, faults)
        else:
            faults.append(f"{path} is not a setting{_meant(path.name.upper(), variables())}")
    return found


def _of_named_file(place: Place, name: str, path: Path, faults: list[str]) -> _Found:
    """One setting, read from the file that contains its value."""
    try:
        value = value_in(path)
    except ValueError as error:
        faults.append(f"{name} names a file that {error}" if str(path) != name else f"{name} {error}")
        return {}
    if len(place) == 1 and place[0] in TABLES:
        return _table(place, _Entry(name=name, value=parsed(value), hidden=True), faults)
    return {place: _Entry(name=name, value=value, hidden=True)}


def _is_not_ours(name: str, value: str, environment: Mapping[str, str]) -> bool:
    """Whether the variable is not a setting: it names the TOML file, turns on tracebacks, belongs to tests, or is set
    by Kubernetes for a service `arpent…`."""
    linked = _LINK.fullmatch(name) is not None or (name.endswith("_PORT") and "://" in value)
    return (linked and POD in environment) or name in (CONFIG, TRACEBACK) or name.startswith(HELPERS)


def _of_file(environment: Mapping[str, str], faults: list[str]) -> _Found:
    named = next((value for name, value in environment.items() if name.upper() == CONFIG), None)
    path = Path(FILE if named is None else named)
    if named == "":
        faults.append(f"{CONFIG} is empty: unset it, or make it a TOML file")
        return {}
    lead = path.name if named is None else f"{CONFIG} names {named!r}, which"
    if named is None and not os.path.lexists(path):
        return {}
    try:
        if not path.is_file():
            state = "is a folder" if path.is_dir() else "is not a file" if path.exists() else "does not exist"
            faults.append(f"{lead} {state}: it must be a TOML file")
            return {}
        content = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        faults.append(f"{lead} cannot be read: {error.strerror}")
    except UnicodeDecodeError as error:
        faults.append(f"{lead} is not UTF-8: see byte {error.start}")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        faults.append(f"{lead} is not TOML: {error}")
    else:
        return _of_toml(content, path, faults)
    return {}


def _of_toml(content: Mapping[str, Any], path: Path, faults: list[str]) -> _Found:
    found: _Found = {}
    for key, value in content.items():
        name = f"`{key}` in {path}"
        if key in TABLES:
            found |= _table((key,), _Entry(name=name, value=value), faults, f" in {path}")
        elif not _is_known((key,)):
            faults.append(f"{name} is not a setting{_meant(key, _keys())}")
        elif value == "":
            faults.append(f"{name} is empty: remove it, or make it {_allowed((key,))}")
        else:
            found[(key,)] = _Entry(name=name, value=value)
    return found


def _table(place: Place, table: _Entry, faults: list[str], where: str = "") -> _Found:
    """The entries of a setting that is a table."""
    if not isinstance(table.value, dict):
        faults.append(_fault(place, table))
        return {}
    found: _Found = {}
    for key, value in table.value.items():
        inner = f"`{place[0]}.{key}`{where}" if where else f"{key!r} in {table.name}"
        if _is_known((*place, key)):
            found[(*place, key)] = _Entry(name=inner, value=value, hidden=table.hidden)
        else:
            faults.append(f"{inner} is not a setting{_meant(f'{place[0]}.{key}', _keys())}")
    return found


def _nested(found: _Found) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for place, entry in found.items():
        if not _is_misplaced_boolean(place, entry.value):
            inner = nested if len(place) == 1 else nested.setdefault(place[0], {})
            inner[place[-1]] = entry.value
    return nested


def _is_known(place: Place) -> bool:
    if len(place) == 1:
        return place[0] in Settings.model_fields
    return len(place) == 2 and bool(place[1]) and place[0] in TABLES and bool(_schema(place))


def _keys() -> list[str]:
    """All keys that a file may have; those in tables contain a dot."""
    return [*Settings.model_fields, *(f"policy.{one.name}" for one in fields(Policy))]


def _meant(name: str, known: Mapping[str, object] | list[str]) -> str:
    """`; did you mean …?` if a known name is similar or has the same ending."""
    spelt = {_spelt(one): one for one in known}
    wrong = _spelt(name)
    near = get_close_matches(wrong, spelt, 1, 0.8) or [one for one in spelt if one.endswith(f"_{wrong}")]
    near = near or get_close_matches(wrong, spelt, 1, 0.6)
    return f"; did you mean {spelt[near[0]]}?" if near else ": docs/settings.md lists them all"


def _spelt(name: str) -> str:
    """A name normalised for comparison: `policy.attempts` and ARPENT_POLICY__ATTEMPTS become equal."""
    return re.sub(r"\W|__", "_", name).upper().removeprefix(PREFIX)


def _schema(place: Place) -> dict[str, Any]:
    """The JSON schema of a setting, without the null of an optional one; {} if there is none."""
    if place[0] == "catalogs" and len(place) == 2:
        place = ("catalog",)
    if place[0] in ("bucket_grants", "sources", "quotas"):
        place = place[:1]
    properties = _SCHEMA["$defs"]["Policy"]["properties"] if place[0] == "policy" else _SCHEMA["properties"]
    schema: dict[str, Any] = properties.get(place[-1], {})
    return {**schema.get("anyOf", [{}])[0], **schema}


def _allowed(place: Place) -> str:
    """The allowed values of a setting, in words."""
    if place == ("policy",):
        return "a table of limits"
    schema = _schema(place)
    if words := schema.get("description") or " or ".join(schema.get("enum", ())):
        return str(words)
    kind, least, most = KINDS[schema["type"]], schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        return f"{kind} above {schema['exclusiveMinimum']}, at most {most:.0f}"
    if least is None:
        return kind
    return f"{kind} of at least {least}" if most is None else f"{kind} from {least} to {most:.0f}"


def _is_misplaced_boolean(place: Place, value: object) -> bool:
    """Whether a boolean is given where another type is expected: pydantic would accept true as 1."""
    return isinstance(value, bool) and _schema(place).get("type") != "boolean"


def _translated(error: ValidationError, found: _Found) -> Iterator[str]:
    for detail in error.errors(include_url=False):
        loc = tuple(str(step) for step in detail["loc"])
        place = next(place for place in (loc[:2], loc[:1]) if place in found)
        reason = detail["ctx"]["error"] if detail["type"] == "value_error" else None
        if place[0] == "sources":
            yield _source_fault(found[place].name, loc[2:3], str(reason or detail["msg"]))
            continue
        yield _fault(place, found[place], f" ({reason})" if reason else "")


def _source_fault(name: str, field: Place, reason: str) -> str:
    """What is wrong with a field of a source. Its value is not shown, because it may contain a secret."""
    if not field:
        return f"{name}: {reason}"
    if field[0] not in ArchiveSource.model_fields or field[0] == "name":
        near = get_close_matches(field[0], ArchiveSource.model_fields, 1, 0.6)
        return f"{name} has `{field[0]}`, which is not a setting of a source" + (
            f"; did you mean {near[0]}?" if near else ""
        )
    return f"{name}: `{field[0]}` is wrong: {reason}"


def _fault(place: Place, entry: _Entry, reason: str = "") -> str:
    """What is wrong with a setting. `reason` may quote its value, but never for settings in SECRET."""
    told = "" if entry.hidden and place not in SECRET else reason
    return f"{entry.name} is {_shown(place, entry)}, but must be {_allowed(place)}{told}"


def _shown(place: Place, entry: _Entry) -> str:
    """The value as written, but shortened and without passwords."""
    if entry.hidden or place == ("secret_key",):
        return "a secret (not shown)"
    if place == ("database_url",) and "://" not in str(entry.value):  # its password cannot be located
        return "a text (not shown)"
    value = entry.value
    text = _PASSWORD.sub(r"\1\2***", json.dumps(value, ensure_ascii=False, default=str))
    return f"{text[:57]}…" if len(text) > 60 else text
