"""The one reader of users' tables: text_format -> text_file -> separators -> text_table, or parquet; then columns.

pyarrow parses. The modules here guard: what they cannot read for sure they refuse, naming line, column and text.
"""
