"""Sentinel Hub's JSON and no one else's; the only home of camelCase."""
