"""Server: the HTTP API: routes, tokens, limits, error bodies."""
