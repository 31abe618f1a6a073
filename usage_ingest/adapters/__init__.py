"""The ports over the Azure SDKs."""
