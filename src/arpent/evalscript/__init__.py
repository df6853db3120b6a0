"""What a script says, and how it is run over flat arrays."""
