"""Catalogs: implementations of the Catalog port for STAC APIs, folders of items and stac-geoparquet. Start at
`open_catalog` in `routing`."""
