export type Hypothesis = import("./hypotheses.mjs").Hypothesis;
/** @typedef {import("./hypotheses.mjs").Hypothesis} Hypothesis */
/**
 * Opens a bundle for translating.
 *
 * @param {string|URL} location Folder (Node), or URL of the folder.
 * @param {any} ort The module onnxruntime-node or onnxruntime-web, or a promise of it: the bundle is read
 *     meanwhile.
 * @param {object} [options]
 * @param {"greedy"|"beam"|"steps"} [options.search] A search inside a file, or "steps": greedy in
 *     JavaScript over encoder and decoder step. "beam" is there if the bundle was exported with one.
 * @param {string} [options.quantization] Which files: "float32", another that the bundle holds, or
 *     "smallest".
 * @param {object} [options.sessionOptions] For `ort.InferenceSession.create`.
 * @param {boolean} [options.keep] Whether a browser keeps the files, so that it needs no network next time.
 * @param {(read: import("./bundle.mjs").Progress) => void} [options.onProgress] Called while files are read.
 * @returns {Promise<Translator>}
 * @throws {Error} If it is no whole bundle or lacks the files of the search.
 */
export declare function openTranslator(location: string | URL, ort: any, options?: {
    search?: "greedy" | "beam" | "steps";
    quantization?: string;
    sessionOptions?: object;
    keep?: boolean;
    onProgress?: (read: import("./bundle.mjs").Progress) => void;
}): Promise<Translator>;
/** What `openTranslator` returns. */
export declare class Translator {
    #private;
    /** What was opened: the manifest of the bundle, the search, and which weights. */
    opened: {
        manifest: any;
        search: any;
        quantization: any;
    };
    constructor(manifest: any, Tensor: any, sessions: any, tokenizers: any, { search, quantization }: {
        quantization: any;
        search: any;
    });
    /**
     * Translates texts; an empty text gives an empty translation.
     *
     * @param {string[]} texts
     * @param {object} [options]
     * @param {number} [options.batchSize] Most texts of one call of the runtime.
     * @returns {Promise<Hypothesis[][]>} For each text its hypotheses, the best first: one of "greedy"
     *     and "steps", at most `num_hypotheses` of "beam".
     * @throws {Error} If the batch size is not positive, a text has more tokens than the model has positions
     *     for, or the model gives NaN.
     */
    translate(texts: string[], { batchSize }?: {
        batchSize?: number;
    }): Promise<Hypothesis[][]>;
    /**
     * Translates ids in one call of the runtime.
     *
     * @param {number[][]} sources Source ids, each row ended by eos.
     * @returns {Promise<Hypothesis[][]>} As `translate`.
     * @throws {Error} If there are more than the model has positions for, or the model gives NaN.
     */
    translateIds(sources: number[][]): Promise<Hypothesis[][]>;
    /** Frees the memory of the model, which the runtime does not collect. */
    close(): Promise<void>;
}
