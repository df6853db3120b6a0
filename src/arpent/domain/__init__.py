"""The nouns of the field, one a file: frozen, valid once built, ignorant of files, HTTP and databases."""
