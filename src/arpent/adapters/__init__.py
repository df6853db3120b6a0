"""Adapters: the only folder that touches the world; one folder per port, one technology a file."""
