"""Inspects bundles and model files: what they hold and what they need, without running them."""
