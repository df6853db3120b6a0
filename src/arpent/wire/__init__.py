"""Wire: reading and writing Sentinel Hub's JSON; camelCase names are used only here."""
