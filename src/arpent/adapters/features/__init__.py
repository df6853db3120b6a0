"""Features: the file of features of a request, downloaded and read."""
