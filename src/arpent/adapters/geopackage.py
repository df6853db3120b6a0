"""Features of a GeoPackage, read by pyogrio in batches."""
