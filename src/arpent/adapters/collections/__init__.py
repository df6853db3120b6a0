"""Collections: the data collections that arpent knows, one TOML each."""
