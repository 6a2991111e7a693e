"""The versions of the ONNX operators that files can be written in."""

# tf2onnx writes up to 18. Of those after it, 23 has the operator Attention.
OPSETS = (15, 16, 17, 18, 23)
DEFAULT_OPSET = 17  # read by onnxruntime 1.12 and later; 23 by 1.23 and later
NEWEST_OF_TF2ONNX = 18


def opset_errors(version: int) -> list[str]:
    """Returns what is wrong with a version."""
    if version in OPSETS:
        return []
    return [f"`onnx_opset` must be 15 to 18, or 23. Received: {version}."]
