/**
 * Opens the tokenizers of a bundle; a joint one is read once.
 *
 * @param {import("./bundle.mjs").Bundle} bundle
 * @returns {Promise<{source: Tokenizer, target: Tokenizer}>}
 */
export declare function openTokenizers(bundle: import("./bundle.mjs").Bundle): Promise<{
    source: Tokenizer;
    target: Tokenizer;
}>;
/** Text to ids and back. */
export declare class Tokenizer {
    #private;
    /**
     * @param {Uint8Array} model The bytes of a SentencePiece model.
     * @param {{pad: number, bos: number, eos: number}} special The `special_ids` of the manifest.
     * @returns {Promise<Tokenizer>}
     * @throws {Error} If it is no such model.
     */
    static open(model: Uint8Array, special: {
        pad: number;
        bos: number;
        eos: number;
    }): Promise<Tokenizer>;
    /**
     * @param {import("./sentencepiece_model.mjs").SentencePieceModel} model
     * @param {{pad: number, bos: number, eos: number}} special
     */
    constructor(model: import("./sentencepiece_model.mjs").SentencePieceModel, special: {
        pad: number;
        bos: number;
        eos: number;
    });
    /**
     * @param {string} text Half a surrogate pair reads U+FFFD, NUL a space.
     * @returns {number[]} The ids of the text, then eos.
     * @throws {TypeError} If `text` is not a string.
     */
    encode(text: string): number[];
    /**
     * @param {number[]} ids Read up to the first eos, without pad and bos.
     * @returns {string}
     */
    decode(ids: number[]): string;
    /** @param {number[]} ids @returns {string[]} The piece of each id, such as "▁the". */
    pieces(ids: number[]): string[];
}
