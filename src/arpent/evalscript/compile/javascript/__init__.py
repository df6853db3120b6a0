"""JavaScript: evaluates each construct of the language on values that are not known yet."""
