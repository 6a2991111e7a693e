"""Runs bundles: one file per runtime, none but `keras_model` needs Keras."""
