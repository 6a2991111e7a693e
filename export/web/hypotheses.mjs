// What a search found, as texts.

import { align } from "./alignment.mjs";

// Scores below it stand where a beam search found fewer hypotheses than it may return.
const NO_HYPOTHESIS = -5e8;

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
export function hypotheses(outputs, sources, { eos, pad }, tokenizers) {
  const { target_ids, scores, finished, rankings, attention } = outputs;
  const each = scores.data.length / sources.length;
  const length = target_ids.dims.at(-1);
  const found = sources.map(() => []);
  scores.data.forEach((score, i) => {
    checkNumber(score);
    if (score <= NO_HYPOTHESIS) return;
    const place = Math.floor(i / each);
    const row = Array.from(target_ids.data.subarray(i * length, (i + 1) * length));
    const end = row.findIndex((id) => id === eos || id === pad);
    const ids = end < 0 ? row : row.slice(0, end);
    const columns = attention?.dims.at(-1);
    const weights = (token) => {
      const start = (i * length + token) * columns;
      return attention.data.subarray(start, start + columns);
    };
    const one = {
      source: sources[place],
      ids,
      score,
      finished: Boolean(finished.data[i]),
      ranking: rankings ? rankings.data[i] : null,
      attention: attention ? Array.from({ length: Math.min(ids.length + 1, length) }, (_, t) => weights(t)) : null,
    };
    found[place].push(hypothesis(one, tokenizers));
  });
  return found;
}

/**
 * @param {Found} found
 * @param {{source: import("./tokenizer.mjs").Tokenizer, target: import("./tokenizer.mjs").Tokenizer}} tokenizers
 * @returns {Hypothesis}
 */
export function hypothesis({ source, ids, score, finished, ranking, attention }, { source: encoder, target }) {
  const tokens = ids.length + (finished ? 1 : 0);
  // A model that shortens its source attends to no tokens.
  const attends = attention && (!ids.length || attention[0].length >= source.length);
  return {
    text: target.decode(ids),
    ids,
    score,
    confidence: Math.exp(score / Math.max(1, tokens)),
    finished,
    ranking,
    alignment: attends ? align(attention, encoder.pieces(source), target.pieces(ids)) : null,
  };
}

export function checkNumber(number) {
  if (Number.isNaN(number)) {
    throw new Error("The model must give numbers. Received: NaN; look at its weights.");
  }
}
