"""Runs bundles: one file per runtime; only `keras` needs Keras."""
