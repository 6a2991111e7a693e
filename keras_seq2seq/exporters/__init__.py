"""Writes bundles: SavedModel, LiteRT, ONNX, and the proof that they agree."""
