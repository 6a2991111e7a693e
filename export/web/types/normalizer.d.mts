export declare class Normalizer {
    #private;
    /**
     * @param {import("./sentencepiece_model.mjs").NormalizerSpec} spec
     * @param {boolean} [spaceAsSuffix] Whether the additional space comes at the end.
     * @param {string[]} [symbols] User-defined symbols, which stay as they are.
     */
    constructor(spec: import("./sentencepiece_model.mjs").NormalizerSpec, spaceAsSuffix?: boolean, symbols?: string[]);
    /** @param {string} text @returns {string} */
    normalize(text: string): string;
}
