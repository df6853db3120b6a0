"""Body: the text of a request body → JSON object; an evalscript sent beside it put in; secrets taken out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from arpent.domain.errors import EmptyBody, InvalidRequest

SECRETS = frozenset({"secretaccesskey", "credentials"})
"""Names, in lower case, of fields that never come back, at whatever depth (sentinelhub.md 1.3)."""


FORGOTTEN = "***"
"""What stands in a stored body for a secret once the job has ended."""
KEYS = SECRETS | {"accesskey"}
"""Names of fields that are worth nothing without each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentBody:
    """A request body as it came, nothing of it read yet."""

    text: str
    """JSON."""
    script: str | None = None
    """The evalscript of a multipart form."""

    def __len__(self) -> int:
        """Characters."""
        return len(self.text) + len(self.script or "")

    def whole(self) -> str:
        """The JSON text with the script put in. Raises EmptyBody, InvalidRequest."""
        return self.text if self.script is None else with_evalscript(self.text, self.script)


def read_json(text: str) -> dict[str, Any]:
    """The JSON object of a body. Integers stay integers and floats floats. Raises EmptyBody, InvalidRequest."""
    if not text.strip():
        raise EmptyBody("Request body should be non-empty.")
    try:
        body = json.loads(text, parse_constant=_refuse_constant)
        text.encode()
        json.dumps(body, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        # only the position: the text around it may hold a secret
        at = f"line {error.lineno}, column {error.colno}"
        raise InvalidRequest(f"The request body is not valid JSON ({error.msg}: {at}).") from None
    except UnicodeEncodeError:
        raise InvalidRequest("The request body holds half a character (a lone surrogate); send UTF-8.") from None
    except RecursionError:
        raise InvalidRequest("The request body is nested too deeply.") from None
    except ValueError:
        raise InvalidRequest("The request body holds a number with too many digits.") from None
    if not isinstance(body, dict):
        raise InvalidRequest("The request body must be a JSON object.")
    return body


def with_evalscript(text: str, script: str) -> str:
    """The body with `aggregation.evalscript` replaced: multipart sends it as a part of its own (sentinelhub.md 1.2).

    Number literals keep their kind. Raises EmptyBody, InvalidRequest."""
    body = read_json(text)
    aggregation = body.setdefault("aggregation", {})
    if not isinstance(aggregation, dict):
        raise InvalidRequest.at("aggregation", "must be an object")
    if aggregation.get("evalscriptReference") is not None:
        raise InvalidRequest.at("aggregation->evalscriptReference", "cannot stand beside the part `evalscript`")
    aggregation["evalscript"] = script
    return json.dumps(body, ensure_ascii=False)


def without_secrets(value: Any) -> Any:
    """A JSON value without the fields that hold secrets; all else is as it was."""
    if isinstance(value, dict):
        return {name: without_secrets(inner) for name, inner in value.items() if name.lower() not in SECRETS}
    if isinstance(value, list):
        return [without_secrets(inner) for inner in value]
    return value


def without_forgotten(text: str) -> str:
    """A stored body; where a secret has been forgotten, its key goes too, and the machine's own access holds."""
    return json.dumps(_remembered(json.loads(text)), ensure_ascii=False) if f'"{FORGOTTEN}"' in text else text


def _remembered(value: Any) -> Any:
    if isinstance(value, dict):
        lost = any(name.lower() in SECRETS and inner == FORGOTTEN for name, inner in value.items())
        kept = {name: inner for name, inner in value.items() if not (lost and name.lower() in KEYS)}
        return {name: _remembered(inner) for name, inner in kept.items()}
    return [_remembered(inner) for inner in value] if isinstance(value, list) else value


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"The request body holds {name}, which is not JSON; leave the field out or write a number.")
