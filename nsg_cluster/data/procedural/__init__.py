"""Scenes with a known answer, traced exactly: no download, no license."""
