"""Footprints: determines which features an item reaches, on the sphere and across the antimeridian."""
