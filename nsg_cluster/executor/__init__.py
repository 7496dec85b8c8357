"""Submitit glue: how the tasks of a run are started on a site. Imports no torch."""
