"""Look at a trained scene from anywhere, in a browser."""
