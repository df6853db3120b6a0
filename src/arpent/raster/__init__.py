"""Pixels, without opening a file."""
