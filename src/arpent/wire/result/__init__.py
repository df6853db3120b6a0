"""Result: writing and reading statistics as Sentinel Hub's JSON."""
