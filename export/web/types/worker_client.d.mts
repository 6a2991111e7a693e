export type Hypothesis = import("./hypotheses.mjs").Hypothesis;
/** @typedef {import("./hypotheses.mjs").Hypothesis} Hypothesis */
/**
 * @param {string|URL} bundle URL of the folder.
 * @param {object} [options]
 * @param {"onnx"|"litert"} [options.runtime]
 * @param {string} [options.search] "greedy" or "beam".
 * @param {string} [options.quantization] One that the bundle has, or "smallest".
 * @param {boolean} [options.keep] Whether the browser keeps the files of the bundle.
 * @param {string|URL} [options.runtimes] URL of the folder with the runtimes, as build_site.mjs writes it.
 * @param {string|URL} [options.worker] URL of worker.js.
 * @param {(read: {loaded: number, total: number}) => void} [options.onProgress]
 * @returns {Promise<WorkerTranslator>}
 * @throws {Error} If the bundle cannot be opened so.
 */
export declare function openInWorker(bundle: string | URL, options?: {
    runtime?: "onnx" | "litert";
    search?: string;
    quantization?: string;
    keep?: boolean;
    runtimes?: string | URL;
    worker?: string | URL;
    onProgress?: (read: {
        loaded: number;
        total: number;
    }) => void;
}): Promise<WorkerTranslator>;
/** What `openInWorker` returns. */
export declare class WorkerTranslator {
    #private;
    /** @type {{manifest: any, search: string, quantization: string}} What was opened. */
    opened: {
        manifest: any;
        search: string;
        quantization: string;
    };
    constructor(calls: any, opened: any);
    /**
     * Translates texts, one call after the other.
     *
     * @param {string[]} texts
     * @param {object} [options]
     * @param {(start: number, rows: Hypothesis[][]) => void} [options.onRows] Gets translations as they are
       *     made, and the place of the first.
     * @param {AbortSignal} [options.signal] Ends the translation before its next text.
     * @returns {Promise<Hypothesis[][]>} For each text its hypotheses, the best first; fewer texts if it was
     *     aborted.
     * @throws {Error} If a text cannot be translated.
     */
    translate(texts: string[], { onRows, signal }?: {
        onRows?: (start: number, rows: Hypothesis[][]) => void;
        signal?: AbortSignal;
    }): Promise<Hypothesis[][]>;
    /** Ends the worker; a translation that was begun fails. */
    close(): void;
}
