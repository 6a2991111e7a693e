export type Hypothesis = import("./hypotheses.mjs").Hypothesis;
/** @typedef {import("./hypotheses.mjs").Hypothesis} Hypothesis */
/**
 * Opens a bundle for translating.
 *
 * @param {string|URL} location URL of the folder.
 * @param {any} litert The module @litertjs/core, after `loadLiteRt`, or a promise of it: the bundle is read
 *     meanwhile.
 * @param {object} [options]
 * @param {"greedy"|"beam"} [options.search] "beam" is there if the bundle was exported with one.
 * @param {string} [options.quantization] Which file: "float32", another that the bundle holds, or "smallest".
 * @param {object} [options.compileOptions] For `loadAndCompile`; it runs on the CPU, unless told.
 * @param {boolean} [options.keep] Whether the browser keeps the files, so that it needs no network next time.
 * @param {(read: import("./bundle.mjs").Progress) => void} [options.onProgress] Called while files are read.
 * @returns {Promise<LiteRTTranslator>}
 * @throws {Error} If it is no whole bundle, or lacks the file or the search.
 */
export declare function openLiteRTTranslator(location: string | URL, litert: any, options?: {
    search?: "greedy" | "beam";
    quantization?: string;
    compileOptions?: object;
    keep?: boolean;
    onProgress?: (read: import("./bundle.mjs").Progress) => void;
}): Promise<LiteRTTranslator>;
/** What `openLiteRTTranslator` returns. */
export declare class LiteRTTranslator {
    #private;
    /** What was opened: the manifest of the bundle, the search, and which weights. */
    opened: {
        manifest: any;
        search: any;
        quantization: any;
    };
    constructor({ manifest, artefact }: {
        artefact: any;
        manifest: any;
    }, Tensor: any, model: any, tokenizers: any, { search, quantization }: {
        quantization: any;
        search: any;
    });
    /**
     * Translates texts one after the other; an empty text gives an empty translation.
     *
     * @param {string[]} texts
     * @returns {Promise<Hypothesis[][]>} For each text its hypotheses, the best first: one of "greedy",
     *     at most `num_hypotheses` of "beam".
     * @throws {Error} If a text is longer than the file takes, or the model gives NaN.
     */
    translate(texts: string[]): Promise<Hypothesis[][]>;
    /**
     * @param {number[]} ids Source ids, ended by eos.
     * @returns {Promise<Hypothesis[]>} The best first.
     * @throws {Error} If they are more than the file takes, or the model gives NaN.
     */
    translateIds(ids: number[]): Promise<Hypothesis[]>;
    /** Frees the memory of the model, which the browser does not collect. */
    close(): void;
}
