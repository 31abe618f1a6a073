"""The metrics flow: what APIM emitted for streamed requests -> ledger."""
