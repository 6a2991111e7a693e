export type Alignment = {
    /**
     * Words, or pieces in scripts without spaces; the end of sentence is none.
     */
    source: string[];
    target: string[];
    /**
     * Word of the source and word of the translation, one pair for each of these.
     */
    pairs: [number, number][];
};
/**
 * Words of both sides, and which belong together.
 *
 * @typedef {object} Alignment
 * @property {string[]} source Words, or pieces in scripts without spaces; the end of sentence is none.
 * @property {string[]} target
 * @property {[number, number][]} pairs Word of the source and word of the translation, one pair for each of these.
 */
/**
 * @param {Float32Array[]} attention For each target token its weights over the source tokens.
 * @param {string[]} sourceTokens Pieces, eos included.
 * @param {string[]} targetTokens Pieces, eos included if the translation is finished.
 * @returns {Alignment}
 */
export declare function align(attention: Float32Array[], sourceTokens: string[], targetTokens: string[]): Alignment;
/**
 * Joins pieces to what a reader sees as words, as keras_seq2seq/text/pieces.py does.
 *
 * @param {string[]} tokens
 * @returns {{text: string, places: number[]}[]} Each with the places of its tokens.
 */
export declare function words(tokens: string[]): {
    text: string;
    places: number[];
}[];
