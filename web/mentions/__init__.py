"""All mentions: search, and the newest."""
