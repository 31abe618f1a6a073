"""Event Hub to ledger: envelope, shapes, usage objects, ingest, gaps."""
