"""Writes SavedModels for TensorFlow and TensorFlow Serving."""
