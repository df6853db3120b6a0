"""Kept: caches of decoded blocks (in memory) and of ranges of remote files (on disk)."""
