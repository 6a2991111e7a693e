"""Search in NumPy, over the steps of any runtime."""
