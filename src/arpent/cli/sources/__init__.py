"""Sources: `arpent sources`, about the archives that images come from."""
