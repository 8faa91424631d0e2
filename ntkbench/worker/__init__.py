"""The worker: solves one cell at a time, wherever it runs, and reports an outcome."""
