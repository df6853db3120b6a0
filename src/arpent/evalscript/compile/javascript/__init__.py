"""JavaScript: what each piece of the language does to values that are not known yet."""
