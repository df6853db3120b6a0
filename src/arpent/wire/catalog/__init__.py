"""Catalog: the Catalog API that the official client uses: parses its searches and writes its documents."""
