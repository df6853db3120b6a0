"""Rules for every boundary: text that enters, and errors that nobody foresaw."""
