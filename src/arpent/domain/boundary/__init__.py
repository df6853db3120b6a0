"""Rules for every boundary: text that enters, and unexpected errors."""
