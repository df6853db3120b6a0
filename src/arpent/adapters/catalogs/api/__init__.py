"""What asks a STAC API: requests and answers, its links, pages, names of collections."""
