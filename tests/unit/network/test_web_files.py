"""Web files: what a server says of a range is checked before it is believed."""

from __future__ import annotations

import socket

import pytest

from arpent.network.web_files import NoRanges, WebFiles
from tests.support.slow_server import serving


@pytest.mark.parametrize("size", ["1" * 5000, "*", "-1", ""])
def test_a_range_of_a_file_whose_size_is_no_number(size: str) -> None:
    head = f"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-3/{size}\r\nContent-Length: 4\r\n\r\n"

    def answer(connection: socket.socket) -> None:
        connection.sendall(head.encode() + b"1234")

    with serving(answer) as url, pytest.raises(NoRanges):
        WebFiles(None, 0.0).piece(f"{url}/b04.tif", 0, 4)
