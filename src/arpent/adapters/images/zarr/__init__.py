"""Zarr: reads arrays of a store as images whose blocks are the chunks (docs/adr/0019-zarr.md)."""
