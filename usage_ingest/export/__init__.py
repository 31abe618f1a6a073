"""Ledger and rollups -> files for Fabric, Databricks and Power BI, a day at a time."""
