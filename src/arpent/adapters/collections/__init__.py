"""Collections: definitions of the data collections that arpent knows, one TOML file each."""
