export declare const TYPES: {
    1: string;
    2: string;
    3: string;
    4: string;
};
export declare const KINDS: {
    NORMAL: number;
    UNKNOWN: number;
    CONTROL: number;
    USER_DEFINED: number;
    UNUSED: number;
    BYTE: number;
};
export type NormalizerSpec = {
    /**
     * What becomes of characters; empty if nothing does.
     */
    charsmap: Uint8Array;
    dummyPrefix: boolean;
    removeExtraSpaces: boolean;
    escapeSpaces: boolean;
};
export type SentencePieceModel = {
    /**
     * By id.
     */
    pieces: {
        text: string;
        score: number;
        kind: number;
    }[];
    type: "unigram" | "bpe" | "word" | "char";
    spaceAsSuffix: boolean;
    byteFallback: boolean;
    unknownSurface: string;
    normalizer: NormalizerSpec;
    denormalizer: NormalizerSpec;
};
/**
 * How a text is normalized.
 *
 * @typedef {object} NormalizerSpec
 * @property {Uint8Array} charsmap What becomes of characters; empty if nothing does.
 * @property {boolean} dummyPrefix
 * @property {boolean} removeExtraSpaces
 * @property {boolean} escapeSpaces
 */
/**
 * A model.
 *
 * @typedef {object} SentencePieceModel
 * @property {{text: string, score: number, kind: number}[]} pieces By id.
 * @property {"unigram"|"bpe"|"word"|"char"} type
 * @property {boolean} spaceAsSuffix
 * @property {boolean} byteFallback
 * @property {string} unknownSurface
 * @property {NormalizerSpec} normalizer
 * @property {NormalizerSpec} denormalizer
 */
/**
 * @param {Uint8Array} bytes
 * @returns {SentencePieceModel}
 * @throws {Error} If it is no such model.
 */
export declare function readModel(bytes: Uint8Array): SentencePieceModel;
