"""The executor ``dask``: cells run on the workers of a Dask cluster, each in a process of its own.

The runner submits a cell when the solutions that it reads are finished; Dask chooses a worker, moves solutions between
workers and frees them. Outcomes come back to the runner, the only writer of tables. No file system is shared.
"""
