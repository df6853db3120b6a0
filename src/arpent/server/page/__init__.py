"""The page at `/`: its built files, and the routes that only the page uses."""
