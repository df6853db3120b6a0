"""Footprints: which features an item covers, on the sphere and across the antimeridian."""
