"""Runs as the user sees them: submit, status, logs, cancel, resubmit, clean. Imports no torch."""
