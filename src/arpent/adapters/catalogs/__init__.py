"""Catalogs: the Catalog port over a STAC API, a folder or a file of items. Start at `open_catalog` in `routing`."""
