"""Replies: drafts, suggestions, checks, approvals, sending, looking up."""
