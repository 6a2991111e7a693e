"""The trained graph: pure Keras, no text, no files."""
