"""Ledger -> rollups, a second time: are the totals what the documents add up to?"""
