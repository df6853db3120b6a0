"""Imagery: what collections, STAC items and rasters are."""
