"""Catalog over STAC: an API, a folder or a file of items. Start at `open_catalog` in `routing`."""
