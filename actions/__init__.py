"""What members can do: one table, for the browser, every chat and the API."""
