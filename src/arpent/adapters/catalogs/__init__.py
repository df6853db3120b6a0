"""Catalogs: the Catalog port over STAC APIs, folders of items and stac-geoparquet. Start at `open_catalog` in
`routing`."""
