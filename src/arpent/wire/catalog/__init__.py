"""Catalog: the Catalog API of the official client: its searches read, its documents written."""
