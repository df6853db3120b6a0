"""Features: downloads and reads the file of features of a request."""
