"""What an image file does not state itself, but its item or a file beside it does."""
