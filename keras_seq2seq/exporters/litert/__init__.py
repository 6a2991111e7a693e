"""Writes LiteRT files for phones."""
