// What a search found, as texts.

// Scores below it stand where a beam search found fewer hypotheses than it may return.
const NO_HYPOTHESIS = -5e8;

/**
 * One translation.
 *
 * @typedef {object} Hypothesis
 * @property {string} text
 * @property {number[]} ids Target ids without bos, eos and pad.
 * @property {number} score Sum of the log-probabilities of the tokens, eos included, in nats.
 * @property {boolean} finished False if the longest length cut it.
 * @property {?number} ranking What a beam search orders by; null elsewhere.
 */

/**
 * Reads the outputs of a search inside a file: (batch, ...), or (batch, num_hypotheses, ...) of a beam.
 *
 * @param {Object<string, {data: (Int32Array|Float32Array), dims: number[]}>} outputs `target_ids`,
 *     `scores`, `finished` and, of a beam, `rankings`.
 * @param {number} batch How many sources there were.
 * @param {{pad: number, eos: number}} special The `special_ids` of the manifest.
 * @param {import("./tokenizer.mjs").Tokenizer} tokenizer That of the target side.
 * @returns {Hypothesis[][]} For each source its hypotheses, the best first.
 * @throws {Error} If the model gives NaN.
 */
export function hypotheses({ target_ids, scores, finished, rankings }, batch, { eos, pad }, tokenizer) {
  const each = scores.data.length / batch;
  const length = target_ids.dims.at(-1);
  const found = Array.from({ length: batch }, () => []);
  scores.data.forEach((score, i) => {
    checkNumber(score);
    if (score <= NO_HYPOTHESIS) return;
    const row = Array.from(target_ids.data.subarray(i * length, (i + 1) * length));
    const end = row.findIndex((id) => id === eos || id === pad);
    const ids = end < 0 ? row : row.slice(0, end);
    const ranking = rankings ? rankings.data[i] : null;
    const one = hypothesis(tokenizer, ids, score, Boolean(finished.data[i]), ranking);
    found[Math.floor(i / each)].push(one);
  });
  return found;
}

/** @returns {Hypothesis} */
export function hypothesis(tokenizer, ids, score, finished, ranking) {
  return { text: tokenizer.decode(ids), ids, score, finished, ranking };
}

export function checkNumber(number) {
  if (Number.isNaN(number)) {
    throw new Error("The model must give numbers. Received: NaN; look at its weights.");
  }
}
