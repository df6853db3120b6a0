"""Numbers, without knowing where pixels came from."""
