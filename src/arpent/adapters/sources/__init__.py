"""Sources: the table of archives, the keys for them, and presets for well-known archives. Start at `table`."""
