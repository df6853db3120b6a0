"""Web files: what a server says of a range is checked before it is believed."""

from __future__ import annotations

import socket

import pytest

from arpent.network.web_files import NoAnswer, NoRanges, WebFiles
from tests.support.slow_server import serving


@pytest.mark.parametrize("size", ["1" * 5000, "*", "-1", ""])
def test_a_range_of_a_file_whose_size_is_no_number(size: str) -> None:
    head = f"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-3/{size}\r\nContent-Length: 4\r\n\r\n"

    def answer(connection: socket.socket) -> None:
        connection.sendall(head.encode() + b"1234")

    with serving(answer) as url, pytest.raises(NoRanges):
        WebFiles(None, 0.0).piece(f"{url}/b04.tif", 0, 4)


@pytest.mark.parametrize(
    ("status", "passing"), [(202, True), (204, False), (416, False), (425, True), (500, True), (501, False)]
)
def test_which_answers_pass(status: int, passing: bool) -> None:
    """202 is what archives say while they fetch a file from their tapes."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(f"HTTP/1.1 {status} So\r\nContent-Length: 0\r\n\r\n".encode())

    with serving(answer) as url, pytest.raises(NoAnswer) as caught:
        WebFiles(None, 0.0).piece(f"{url}/b04.tif", 0, 4)
    assert (caught.value.status, caught.value.passing) == (status, passing)
