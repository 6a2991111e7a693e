export declare const FORMAT_VERSIONS: number[];
export type Progress = {
    /**
     * Bytes.
     */
    loaded: number;
    /**
     * Bytes of the files that are needed.
     */
    total: number;
};
/**
 * How much of the files of a bundle was read.
 *
 * @typedef {object} Progress
 * @property {number} loaded Bytes.
 * @property {number} total Bytes of the files that are needed.
 */
/**
 * Reads the manifest of a bundle.
 *
 * @param {string|URL} location Folder (Node), or URL of the folder.
 * @param {"onnx"|"litert"} format Of which files to run.
 * @param {object} [options]
 * @param {boolean} [options.keep] Whether a browser keeps the files, by their SHA-256, and reads what it
 *     kept. Then a bundle that was read once needs no network. Elsewhere it is ignored.
 * @param {(read: Progress) => void} [options.onProgress] Called while files are read.
 * @returns {Promise<Bundle>}
 * @throws {Error} If it has no manifest of this format version, or no files of the format.
 */
export declare function openBundle(location: string | URL, format: "onnx" | "litert", { keep, onProgress }?: {
    keep?: boolean;
    onProgress?: (read: Progress) => void;
}): Promise<Bundle>;
/**
 * What `openBundle` returns: `manifest`, as docs/bundle.md tells, `artefact`, its part about the format,
 * and the files that it lists.
 */
export declare class Bundle {
    #private;
    manifest: any;
    artefact: any;
    constructor(manifest: any, files: any, format: any, onProgress: any);
    /**
     * Tells which files will be read besides the tokenizers, for `onProgress`.
     *
     * @param {(string|undefined)[]} names
     */
    expect(names: (string | undefined)[]): void;
    /**
     * Returns which weights to take.
     *
     * @param {string} asked One that the bundle has, or "smallest".
     * @returns {string}
     */
    quantization(asked: string): string;
    /**
     * Returns the paths of the files of a quantization.
     *
     * @param {string} quantization
     * @returns {Object<string, string>} By function (ONNX) or by part (LiteRT).
     * @throws {Error} If the bundle has none of this quantization.
     */
    filesOf(quantization: string): Record<string, string>;
    /**
     * @param {string} search
     * @param {string[]} available The searches of this bundle.
     * @throws {Error} If it is not one of them.
     */
    checkSearch(search: string, available: string[]): void;
    /**
     * Reads one file and compares its size and, where the platform can, its SHA-256 with the manifest.
     * A browser can on https and on localhost.
     *
     * @param {string} name Path in the bundle, with "/".
     * @returns {Promise<Uint8Array>}
     * @throws {Error} If the manifest does not list it, it lies outside, or it was cut or altered.
     */
    file(name: string): Promise<Uint8Array>;
}
