"""Wiring: the composition root. It reads Settings, chooses every adapter, and builds what commands and servers call."""
