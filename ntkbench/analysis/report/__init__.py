"""What a run found, for people: tables, figures and pages."""
