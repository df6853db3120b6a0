"""Parts of the catalogue for STAC APIs: requests and answers, landing page, pages, collection names. The catalogue
itself is in `stac_api`."""
