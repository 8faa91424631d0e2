"""Download data sets into the cache: from the UCI archive, the A19 authors' archive, and OpenML."""
