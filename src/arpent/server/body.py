"""Body: reads a request's JSON or multipart body (sentinelhub.md 1.2). The JSON is parsed elsewhere."""

from __future__ import annotations

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from arpent.domain.errors import EmptyBody, InvalidRequest, UnsupportedMediaType
from arpent.wire.request.body import SentBody

PARTS = 16
"""Maximum number of parts in a form; only two are used."""
UNREADABLE_FORM = (
    "The multipart body cannot be read: Content-Type must name its boundary, each part needs a Content-Disposition with"
    f" a name, and there may be {PARTS} parts."
)


async def read_body(request: Request, maximum: int) -> SentBody:
    """The request's JSON text and, from a form, the part `evalscript`. Raises EmptyBody, InvalidRequest,
    UnsupportedMediaType."""
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _read_form(request, maximum)
    payload = await request.body()
    if not payload.strip():
        raise EmptyBody("Request body should be non-empty.")
    if kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMediaType(
            f"Content-Type is {kind!r}: send application/json, or multipart/form-data with the parts request and"
            " evalscript (curl: -H 'Content-Type: application/json')."
        )
    return SentBody(text=_decode(payload, "The request body"))


async def _read_form(request: Request, maximum: int) -> SentBody:
    try:
        async with request.form(max_files=PARTS, max_fields=PARTS, max_part_size=maximum) as form:
            parts = {
                name: await _part(value, name) for name, value in form.items() if name in ("request", "evalscript")
            }
    except (HTTPException, ValueError, LookupError, TypeError, AttributeError) as error:
        # the bytes may be anything: the library's errors have no common class, and messages unlike ours
        if isinstance(error, HTTPException) and error.status_code != 400:
            raise
        raise InvalidRequest(UNREADABLE_FORM) from None
    if not parts.get("request", "").strip():
        raise InvalidRequest.at("request", "is required: the part of the form that holds the JSON")
    return SentBody(text=parts["request"], script=parts.get("evalscript"))


async def _part(value: UploadFile | str, name: str) -> str:
    return value if isinstance(value, str) else _decode(await value.read(), f"The part {name}")


def _decode(payload: bytes, what: str) -> str:
    try:
        return payload.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidRequest(f"{what} is not UTF-8.") from None
