"""How messages name an address: with nothing secret, and to clients without the machine's folders."""

from __future__ import annotations

import pytest

from arpent.domain.boundary.address_names import bare_address, public_name


@pytest.mark.parametrize(
    ("address", "bare", "public"),
    [
        ("https://me:hush@host/a/b.tif?sig=x", "https://host/a/b.tif", "https://host/a/b.tif"),
        ("https://me:hush@[host/b.tif?sig=x", "https://%5Bhost/b.tif", "https://%5Bhost/b.tif"),
        ("s3://bucket/a/b.tif", "s3://bucket/a/b.tif", "s3://bucket/a/b.tif"),
        ("/srv/archive/b.tif", "/srv/archive/b.tif", "b.tif"),
        ("/srv/archive/", "/srv/archive/", "archive"),
        ("file:///srv/archive/b.tif", "file:///srv/archive/b.tif", "b.tif"),
    ],
)
def test_names(address: str, bare: str, public: str) -> None:
    assert (bare_address(address), public_name(address)) == (bare, public)
