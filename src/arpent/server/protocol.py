"""Protocol: HTTP/1.1 as uvicorn speaks it, but what is no HTTP is refused in the shape of all our errors."""

from __future__ import annotations

import json

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from arpent.wire.problems import refused

JSON = b"application/json;charset=utf-8"
BROKEN = "This is not a request of HTTP/1.1; look at its first line, Content-Length, Transfer-Encoding and headers."


class ShapedProtocol(H11Protocol):
    """Only the answer differs: uvicorn's own is text, and no client of this API reads that."""

    def send_400_response(self, msg: str) -> None:
        """`msg` is uvicorn's, for its own answer. An answer to an earlier request that is still being made can be sent
        no more."""
        if self.cycle is not None and not self.cycle.response_complete:
            begun, self.cycle.disconnected = self.cycle.response_started, True
            self.cycle.message_event.set()
            if begun:
                self.transport.close()
                return
        payload = json.dumps(refused(400, BROKEN).body).encode()
        headers = [
            (b"content-type", JSON),
            (b"content-length", str(len(payload)).encode()),
            (b"connection", b"close"),
            (b"access-control-allow-origin", b"*"),
        ]
        start = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
        for event in (start, h11.Data(data=payload), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
