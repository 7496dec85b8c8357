"""The experiment: its schema, and how a YAML file becomes one. Imports no torch."""
