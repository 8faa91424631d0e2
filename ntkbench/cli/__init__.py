"""The command line: a thin layer over :mod:`ntkbench.api.run`."""
