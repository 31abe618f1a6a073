"""The command line, `python -m usage_ingest`: one module and one group for each noun."""
