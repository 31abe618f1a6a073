"""Ledger -> money: prices, owners, rating, reports, closed periods and FOCUS."""
