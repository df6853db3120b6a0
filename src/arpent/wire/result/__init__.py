"""Result: statistics as Sentinel Hub's JSON, written and read."""
