/**
 * @param {string|URL} url
 * @param {(count: number, total: number) => void} [onBytes] Gets the bytes that arrived since the last call,
 *     and how many there will be, or 0 if the server does not say.
 * @param {RequestCache} [cache]
 * @returns {Promise<Uint8Array>}
 * @throws {Error} If it does not answer, or has no such file.
 */
export declare function fetched(url: string | URL, onBytes?: (count: number, total: number) => void, cache?: RequestCache): Promise<Uint8Array>;
/**
 * Returns the body of a response, and tells of each part as it arrives.
 *
 * @param {Response} response
 * @param {(count: number, total: number) => void} [onBytes]
 * @returns {Promise<Uint8Array>}
 */
export declare function content(response: Response, onBytes?: (count: number, total: number) => void): Promise<Uint8Array>;
