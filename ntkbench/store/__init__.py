"""The store: a folder per run, tables in parquet, one file per cell and table, written whole or not at all."""
