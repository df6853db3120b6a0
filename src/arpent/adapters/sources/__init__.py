"""Sources: the table of archives, the keys that open them, and presets for those that people use. Start at `table`."""
