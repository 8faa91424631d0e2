"""The store: a folder per run, tables in parquet, one file per cell and table, each written atomically."""
