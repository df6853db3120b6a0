"""Traces: spans sent to collectors."""
