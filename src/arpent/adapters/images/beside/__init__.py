"""What an image file does not tell itself, but its item or a file beside it does."""
