"""Parts of the API catalogue: requests and answers, landing page, pages, collection names. The catalogue is
`stac_api`."""
