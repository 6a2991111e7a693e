"""Serves a bundle: a queue that forms batches, and an HTTP server over it."""
