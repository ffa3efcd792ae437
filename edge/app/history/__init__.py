"""Recorded readings for back-tests: CSV, Parquet, journals, and labelled events beside them."""
