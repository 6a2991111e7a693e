"""Text before it is ids, and ids before they are text."""
