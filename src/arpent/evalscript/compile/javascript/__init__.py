"""JavaScript: what each construct of the language does to values that are not known yet."""
