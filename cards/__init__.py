"""A case as every desk shows it, cards kept up to date, and actions from chats."""
