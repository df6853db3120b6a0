"""Features: the GeoPackage of a request, downloaded and read."""
