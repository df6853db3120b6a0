"""JPEG 2000: finds tiles in a file, and decodes them one by one (docs/adr/0018-jpeg-2000.md)."""
