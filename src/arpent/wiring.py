"""Composition root: reads Settings, names every adapter, builds the app and the runner."""
