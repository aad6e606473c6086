"""The browser: one folder per section, one table of routes."""
