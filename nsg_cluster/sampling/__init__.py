"""Where along a ray to evaluate a field."""
