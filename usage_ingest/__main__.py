"""`python -m usage_ingest`."""

from usage_ingest.cli.main import main

if __name__ == "__main__":
    main(prog_name="python -m usage_ingest")
