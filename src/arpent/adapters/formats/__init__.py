"""Formats: files that arpent reads and writes: GeoPackage, Parquet, PNG, metrics."""
