"""Server: the HTTP API with its routes, access tokens, limits and error bodies."""
