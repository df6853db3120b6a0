"""Kept: blocks and ranges of images that are kept beyond the call that read them."""
