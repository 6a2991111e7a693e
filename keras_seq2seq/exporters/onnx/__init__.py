"""Writes ONNX files for onnxruntime."""
