"""Studies: read, edited, validated, resolved against the registered plugins, and expanded to cells."""
