"""What a member sets for themselves."""
