"""Catalog: the routes of the Catalog API."""
