"""Adapters: the only folder with access to the outside; one folder per port, one technology per file."""
