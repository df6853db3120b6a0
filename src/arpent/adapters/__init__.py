"""The only folder that touches the world: one technology and one port a file."""
