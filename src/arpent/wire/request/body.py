"""Body: the text of a request body → JSON object, including an evalscript that was sent as a separate part."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn

from arpent.domain.boundary.text import cleaned
from arpent.domain.errors import EmptyBody, InvalidRequest

MAXIMUM_DEPTH = 64
"""Maximum nesting of objects and lists in a body, so that any program can read stored requests; a MultiPolygon needs
eight levels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentBody:
    """A request body as it was sent, not yet parsed."""

    text: str
    """The JSON text."""
    script: str | None = None
    """The evalscript of a multipart form; None if there is none."""

    def __len__(self) -> int:
        """Length in characters, including the script."""
        return len(self.text) + len(self.script or "")

    def whole(self) -> str:
        """The JSON text with the script inserted. Raises EmptyBody, InvalidRequest."""
        return self.text if self.script is None else with_evalscript(self.text, self.script)


def read_json(text: str) -> dict[str, Any]:
    """The JSON object of a body. Integers stay integers, and floats stay floats. Raises EmptyBody, InvalidRequest."""
    if not text.strip():
        raise EmptyBody("Request body should be non-empty.")
    try:
        body = json.loads(text, parse_constant=_refuse_constant)
        if deeper_than(body, MAXIMUM_DEPTH):
            raise RecursionError
        if "\\u0000" in text and cleaned(body) != body:
            raise InvalidRequest("The request body holds a NUL character (\\u0000); leave it out.")
        text.encode()
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()  # 1e400 would be written as Infinity
    except json.JSONDecodeError as error:
        # only the position: the text around it may hold a secret
        at = f"line {error.lineno}, column {error.colno}"
        raise InvalidRequest(f"The request body is not valid JSON ({error.msg}: {at}).") from None
    except UnicodeEncodeError:
        raise InvalidRequest("The request body holds half a character (a lone surrogate); send UTF-8.") from None
    except RecursionError:
        message = f"The request body is nested too deeply: it may have {MAXIMUM_DEPTH} levels of objects and lists."
        raise InvalidRequest(message) from None
    except ValueError:
        raise InvalidRequest("The request body holds a number with too many digits, or beyond 1.8e308.") from None
    if not isinstance(body, dict):
        raise InvalidRequest("The request body must be a JSON object.")
    return body


def deeper_than(value: Any, levels: int) -> bool:
    """Whether a JSON value is nested deeper than `levels`. Not recursive, so that any depth can be checked."""
    level = [value]
    for _ in range(levels + 1):
        level = [inner for each in level for inner in _members(each)]
        if not level:
            return False
    return True


def _members(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def with_evalscript(text: str, script: str) -> str:
    """The body with `aggregation.evalscript` set to the script, which multipart sends separately (sentinelhub.md 1.2).

    Integers stay integers, and floats stay floats. Raises EmptyBody, InvalidRequest."""
    body = read_json(text)
    aggregation = body.setdefault("aggregation", {})
    if not isinstance(aggregation, dict):
        raise InvalidRequest.at("aggregation", "must be an object")
    if aggregation.get("evalscriptReference") is not None:
        raise InvalidRequest.at("aggregation->evalscriptReference", "cannot be combined with the part `evalscript`")
    aggregation["evalscript"] = script
    return json.dumps(body, ensure_ascii=False)


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"The request body holds {name}, which is not JSON; leave the field out or write a number.")
