"""Request: the JSON body of a request, read and checked."""
