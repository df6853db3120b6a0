"""Wire: Sentinel Hub's JSON, read and written; the only home of camelCase."""
