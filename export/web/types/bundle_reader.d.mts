export type Files = {
    manifest: () => Promise<Uint8Array>;
    /**
     *     `onBytes` gets the bytes that arrived since the last call.
     */
    read: (name: string, sha256: string, onBytes: (count: number) => void) => Promise<Uint8Array>;
    keep: (name: string, sha256: string, bytes: Uint8Array) => Promise<void>;
    /**
     * Forgets kept files of other versions.
     */
    forgetAllBut: (sha256s: string[]) => Promise<void>;
};
/**
 * Reads files by their names.
 *
 * @typedef {object} Files
 * @property {() => Promise<Uint8Array>} manifest
 * @property {(name: string, sha256: string, onBytes: (count: number) => void) => Promise<Uint8Array>} read
 *     `onBytes` gets the bytes that arrived since the last call.
 * @property {(name: string, sha256: string, bytes: Uint8Array) => Promise<void>} keep
 * @property {(sha256s: string[]) => Promise<void>} forgetAllBut Forgets kept files of other versions.
 */
/**
 * @param {string|URL} location Folder (Node), or URL of the folder.
 * @param {boolean} keep Whether to keep files in the browser.
 * @returns {Promise<Files>}
 */
export declare function reader(location: string | URL, keep: boolean): Promise<Files>;
