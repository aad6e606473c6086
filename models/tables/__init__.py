"""The rows that are stored, one file for each group of tables."""
