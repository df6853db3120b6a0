"""Conformance: `arpent conformance`, a suite for every server of the Batch Statistical API, and what it needs."""
