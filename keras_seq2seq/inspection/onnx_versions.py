"""Finds the oldest onnxruntime release that loads given opsets."""

from collections.abc import Mapping

# The table "ONNX opset support" of onnxruntime.ai/docs/reference/compatibility.html: release,
# and the highest ai.onnx opset, ai.onnx.ml opset and IR version that it loads, oldest first.
# Releases that raise none of the three are left out.
RELEASES = (
    ("0.1", 8, 1, 3),
    ("0.3", 9, 1, 3),
    ("0.4", 10, 1, 5),
    ("1.0", 11, 2, 6),
    ("1.3", 12, 2, 7),
    ("1.6", 13, 2, 7),
    ("1.8", 14, 2, 7),
    ("1.9", 15, 2, 8),
    ("1.11", 16, 2, 8),
    ("1.12", 17, 3, 8),
    ("1.14", 18, 3, 8),
    ("1.16", 19, 3, 9),
    ("1.17", 20, 4, 9),
    ("1.18", 21, 4, 10),
    # The table ends with 1.20. These were tried: they load this, and the release before does not.
    ("1.21", 22, 4, 10),
    ("1.23", 23, 4, 11),
    ("1.24", 25, 4, 13),
)
TABLE_ENDS = "1.24"
OLDEST_OPSET = 7
ONNX, ML = "ai.onnx", "ai.onnx.ml"


def oldest_onnxruntime(opsets: Mapping[str, int], ir_version: int) -> tuple[str | None, str]:
    """Finds the oldest onnxruntime that loads a file.

    Args:
        opsets: Opset version by domain, "ai.onnx" for the default one.
        ir_version: Version of the file format.
    Returns:
        The release, or None if the documented table ends before it, and the reason.
    """
    needs = f"opset {opsets.get(ONNX, 1)} of {ONNX} and IR version {ir_version}"
    if ML in opsets:
        needs = f"opset {opsets[ML]} of {ML}, {needs}"
    for release, opset, ml_opset, ir in RELEASES:
        fits = opsets.get(ONNX, 1) <= opset and opsets.get(ML, 1) <= ml_opset
        if fits and ir_version <= ir:
            return release, f"The file needs {needs}; see onnxruntime's compatibility table."
    return None, (
        f"The file needs {needs}. onnxruntime's compatibility table, known here up to "
        f"{TABLE_ENDS}, does not reach that far: take the newest release."
    )
