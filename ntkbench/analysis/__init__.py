"""From tables to answers: rates with intervals, verdicts, summaries and figures."""
