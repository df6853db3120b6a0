"""JPEG 2000: tiles found in the file and decoded one by one (docs/adr/0018-jpeg-2000.md)."""
