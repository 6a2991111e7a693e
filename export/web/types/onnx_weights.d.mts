/**
 * Returns an ONNX file that holds its weights.
 *
 * @param {Uint8Array} file An ONNX file.
 * @param {Uint8Array} weights The file of weights that it reads.
 * @returns {Uint8Array}
 */
export declare function withWeights(file: Uint8Array, weights: Uint8Array): Uint8Array;
