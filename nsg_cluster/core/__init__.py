"""What both planes share: errors, files, processes, paths, units and logs. Imports no torch."""
