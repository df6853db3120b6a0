"""Kept: blocks of images that are kept beyond the call that read them."""
