"""Sources: `arpent sources`, which lists and tests the archives that images come from."""
