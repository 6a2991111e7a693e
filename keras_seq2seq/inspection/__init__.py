"""Reads what a shipped file holds and needs, without running it."""
