"""Request: parsing and checking the JSON body of a request."""
