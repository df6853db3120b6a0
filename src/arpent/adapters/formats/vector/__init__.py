"""Vector files: what GDAL reads, zipped Shapefiles, GeoParquet; and the features file that we write."""
