export type Vocabulary = {
    /**
     * By id.
     */
    pieces: {
        text: string;
        score: number;
        kind: number;
    }[];
    /**
     * Of the pieces that a text can hold.
     */
    ids: Map<string, number>;
    unknown: number;
    /**
     * User-defined, the longest first.
     */
    symbols: string[];
    /**
     * The id of a piece that a text can hold, or the unknown one.
     */
    idOf: (text: string) => number;
    /**
     * Characters of the longest piece that a text can hold.
     */
    longest: number;
    /**
     * Score of a normal piece.
     */
    lowest: number;
};
/**
 * What the ways of splitting read.
 *
 * @typedef {object} Vocabulary
 * @property {{text: string, score: number, kind: number}[]} pieces By id.
 * @property {Map<string, number>} ids Of the pieces that a text can hold.
 * @property {number} unknown
 * @property {string[]} symbols User-defined, the longest first.
 * @property {(text: string) => number} idOf The id of a piece that a text can hold, or the unknown one.
 * @property {number} longest Characters of the longest piece that a text can hold.
 * @property {number} lowest Score of a normal piece.
 */
/**
 * Returns the most probable pieces (Kudo 2018), by Viterbi. Sums are rounded as in SentencePiece
 * 0.2.3, so that what is equally probable there is so here.
 *
 * @param {string} text
 * @param {Vocabulary} vocabulary
 * @returns {[string, number][]} Texts and ids.
 */
export declare function unigram(text: string, vocabulary: Vocabulary): [string, number][];
/**
 * Merges the pair of the highest score, of equal ones the first, until no pair is a piece (Sennrich 2016).
 *
 * @param {string} text
 * @param {Vocabulary} vocabulary
 * @returns {[string, number][]}
 */
export declare function bpe(text: string, vocabulary: Vocabulary): [string, number][];
/** @param {string} text @param {Vocabulary} vocabulary @returns {[string, number][]} */
export declare function char(text: string, vocabulary: Vocabulary): [string, number][];
/**
 * Splits before each space, also in a model that has spaces at the ends of its pieces.
 *
 * @param {string} text
 * @param {Vocabulary} vocabulary
 * @returns {[string, number][]}
 */
export declare function word(text: string, vocabulary: Vocabulary): [string, number][];
