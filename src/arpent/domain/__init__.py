"""The domain model, one concept per file: immutable, valid once built, and independent of files, HTTP and databases."""
