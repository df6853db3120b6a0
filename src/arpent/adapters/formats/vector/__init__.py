"""Vector files: reads GDAL's formats, zipped Shapefiles and GeoParquet, and writes the features file of results."""
