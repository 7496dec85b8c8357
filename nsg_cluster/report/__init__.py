"""Run folders to tables, curves and one HTML page. Imports no torch."""
