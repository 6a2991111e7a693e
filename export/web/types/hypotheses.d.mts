export type Hypothesis = {
    text: string;
    /**
     * Target ids without bos, eos and pad.
     */
    ids: number[];
    /**
     * Sum of the log-probabilities of the tokens, eos included, in nats.
     */
    score: number;
    /**
     * Geometric mean of the probabilities of the tokens, 0 to 1.
     */
    confidence: number;
    /**
     * False if the longest length cut it.
     */
    finished: boolean;
    /**
     * What a beam search orders by; null elsewhere.
     */
    ranking: number | null;
    /**
     * Null for a model without attention.
     */
    alignment: import("./alignment.mjs").Alignment | null;
};
export type Found = {
    /**
     * Source ids, eos included.
     */
    source: number[];
    /**
     * Target ids, without eos.
     */
    ids: number[];
    score: number;
    finished: boolean;
    ranking: number | null;
    /**
     * For each token, eos included, its weights over the source.
     */
    attention: Float32Array[] | null;
};
/**
 * One translation.
 *
 * @typedef {object} Hypothesis
 * @property {string} text
 * @property {number[]} ids Target ids without bos, eos and pad.
 * @property {number} score Sum of the log-probabilities of the tokens, eos included, in nats.
 * @property {number} confidence Geometric mean of the probabilities of the tokens, 0 to 1.
 * @property {boolean} finished False if the longest length cut it.
 * @property {?number} ranking What a beam search orders by; null elsewhere.
 * @property {?import("./alignment.mjs").Alignment} alignment Null for a model without attention.
 */
/**
 * What is told of one translation before it is read.
 *
 * @typedef {object} Found
 * @property {number[]} source Source ids, eos included.
 * @property {number[]} ids Target ids, without eos.
 * @property {number} score
 * @property {boolean} finished
 * @property {?number} ranking
 * @property {?Float32Array[]} attention For each token, eos included, its weights over the source.
 */
/**
 * Reads the outputs of a search inside a file: (batch, ...), or (batch, num_hypotheses, ...) of a beam.
 *
 * @param {Object<string, {data: (Int32Array|Float32Array), dims: readonly number[]}>} outputs `target_ids`,
 *     `scores`, `finished` and, of a beam, `rankings`; `attention` of a model that attends.
 * @param {number[][]} sources The source ids, eos included.
 * @param {{pad: number, eos: number}} special The `special_ids` of the manifest.
 * @param {{source: import("./tokenizer.mjs").Tokenizer, target: import("./tokenizer.mjs").Tokenizer}} tokenizers
 * @returns {Hypothesis[][]} For each source its hypotheses, the best first.
 * @throws {Error} If the model gives NaN.
 */
export declare function hypotheses(outputs: Record<string, {
    data: (Int32Array | Float32Array);
    dims: readonly number[];
}>, sources: number[][], { eos, pad }: {
    pad: number;
    eos: number;
}, tokenizers: {
    source: import("./tokenizer.mjs").Tokenizer;
    target: import("./tokenizer.mjs").Tokenizer;
}): Hypothesis[][];
/**
 * @param {Found} found
 * @param {{source: import("./tokenizer.mjs").Tokenizer, target: import("./tokenizer.mjs").Tokenizer}} tokenizers
 * @returns {Hypothesis}
 */
export declare function hypothesis({ source, ids, score, finished, ranking, attention }: Found, { source: encoder, target }: {
    source: import("./tokenizer.mjs").Tokenizer;
    target: import("./tokenizer.mjs").Tokenizer;
}): Hypothesis;
export declare function checkNumber(number: any): void;
