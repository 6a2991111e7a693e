// Translates texts with the ONNX files of a bundle, in Node and in the browser.
//
//     import * as ort from "onnxruntime-node"; // or "onnxruntime-web"
//     import { openTranslator } from "./translate.mjs";
//
//     const translator = await openTranslator("bundle", ort);
//     const [[best]] = await translator.translate(["They are watching."]);
//     console.log(best.text, best.score);

import { openBundle } from "./bundle.mjs";
import { Tokenizer } from "./tokenizer.mjs";

// The functions of the bundle, one file each, that a search needs.
const SEARCHES = {
  greedy: ["translate_greedy"],
  beam: ["translate_beam"],
  steps: ["encode", "decode_step"],
};
// An output that is the next value of the input `state_0` is called `next_state_0`.
const NEXT_PREFIX = "next_";
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
 * Opens a bundle for translating.
 *
 * @param {string|URL} location Folder (Node), or URL of the folder.
 * @param {object} ort The module onnxruntime-node or onnxruntime-web.
 * @param {object} [options]
 * @param {"greedy"|"beam"|"steps"} [options.search] A search inside a file, or "steps": greedy in
 *     JavaScript over encoder and decoder step. "beam" is there if the bundle was exported with one.
 * @param {string} [options.quantization] Which files: "float32", or another that the bundle holds.
 * @param {object} [options.sessionOptions] For `ort.InferenceSession.create`.
 * @returns {Promise<Translator>}
 * @throws {Error} If it is no whole bundle or lacks the files of the search.
 */
export async function openTranslator(location, ort, options = {}) {
  const { search = "greedy", quantization = "float32", sessionOptions = {} } = options;
  const bundle = await openBundle(location);
  const { artefacts, special_ids: special, tokenizer } = bundle.manifest;
  const { path, files: written } = artefacts.onnx;
  const files = Object.hasOwn(written, quantization) ? written[quantization] : null;
  if (!files) {
    throw new Error(
      `The quantization must be one that the bundle has, of ${Object.keys(written)}. ` +
        `Received: ${quantization}; export the bundle with --quantization.`,
    );
  }
  const available = Object.keys(SEARCHES).filter((name) => SEARCHES[name].every((f) => f in files));
  if (!available.includes(search)) {
    throw new Error(
      `The search must be one that the bundle has, of ${available}. Received: ${search}; ` +
        "a beam search is written by `keras-seq2seq export --beam-size N`.",
    );
  }
  const open = async (name) => Tokenizer.open(await bundle.file(name), special);
  const source = await open(tokenizer.source);
  const target = tokenizer.target === tokenizer.source ? source : await open(tokenizer.target);
  const sessions = {};
  for (const name of SEARCHES[search]) {
    const bytes = await bundle.file(`${path}/${files[name]}`);
    sessions[name] = await ort.InferenceSession.create(bytes, sessionOptions);
  }
  return new Translator(bundle.manifest, ort, sessions, { source, target }, search);
}

/** What `openTranslator` returns. */
export class Translator {
  #manifest;
  #ort;
  #sessions;
  #tokenizers;
  #search;

  constructor(manifest, ort, sessions, tokenizers, search) {
    this.#manifest = manifest;
    this.#ort = ort;
    this.#sessions = sessions;
    this.#tokenizers = tokenizers;
    this.#search = search;
  }

  /**
   * Translates texts; an empty text gives an empty translation.
   *
   * @param {string[]} texts
   * @param {object} [options]
   * @param {number} [options.batchSize] Most texts of one call of the runtime.
   * @returns {Promise<Hypothesis[][]>} For each text its hypotheses, the best first: one of "greedy"
   *     and "steps", at most `num_hypotheses` of "beam".
   * @throws {Error} If the batch size is not positive or the model gives NaN.
   */
  async translate(texts, { batchSize = 32 } = {}) {
    if (!(batchSize >= 1)) throw new Error(`batchSize must be at least 1. Received: ${batchSize}.`);
    const sources = texts.map((text) => this.#tokenizers.source.encode(text));
    const found = [];
    for (let start = 0; start < sources.length; start += batchSize) {
      found.push(...(await this.translateIds(sources.slice(start, start + batchSize))));
    }
    return found;
  }

  /**
   * Translates ids in one call of the runtime.
   *
   * @param {number[][]} sources Source ids, each row ended by eos.
   * @returns {Promise<Hypothesis[][]>} As `translate`.
   * @throws {Error} If the model gives NaN.
   */
  async translateIds(sources) {
    if (!sources.length) return [];
    const source_ids = this.#matrix(sources);
    if (this.#search === "steps") return this.#greedyOverSteps(sources, source_ids);
    const outputs = await this.#run(SEARCHES[this.#search][0], { source_ids });
    return this.#hypotheses(outputs, sources.length);
  }

  /** Returns rows of ids as an int32 tensor, padded on the right. */
  #matrix(rows) {
    const length = Math.max(...rows.map((row) => row.length));
    const data = new Int32Array(rows.length * length).fill(this.#manifest.special_ids.pad);
    rows.forEach((row, i) => data.set(row, i * length));
    return new this.#ort.Tensor("int32", data, [rows.length, length]);
  }

  /** Runs one function on those of the tensors that it takes. */
  async #run(name, tensors) {
    const session = this.#sessions[name];
    return session.run(Object.fromEntries(session.inputNames.map((input) => [input, tensors[input]])));
  }

  /** Cuts the tensors of a search inside a file: (batch, ...), or (batch, num_hypotheses, ...). */
  #hypotheses({ target_ids, scores, finished, rankings }, batch) {
    const { eos, pad } = this.#manifest.special_ids;
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
      found[Math.floor(i / each)].push(this.#hypothesis(ids, score, Boolean(finished.data[i]), ranking));
    });
    return found;
  }

  #hypothesis(ids, score, finished, ranking) {
    return { text: this.#tokenizers.target.decode(ids), ids, score, finished, ranking };
  }

  /** The greedy search of docs/bundle.md over encoder and decoder step. */
  async #greedyOverSteps(sources, source_ids) {
    const { states, source_tensors, limits, special_ids: special } = this.#manifest;
    const rows = sources.map((ids) => ({
      ids: [],
      score: 0,
      finished: ids.every((id) => id === special.eos || id === special.pad),
    }));
    let last = rows.map(() => special.bos);
    let state = await this.#run("encode", { source_ids });
    for (let step = 0; step < limits.max_length && rows.some((row) => !row.finished); step++) {
      const target_ids = this.#matrix(last.map((id) => [id]));
      const outputs = await this.#run("decode_step", { ...state, target_ids });
      const { data, dims } = outputs.log_probs;
      last = rows.map((row, i) => {
        if (row.finished) return special.pad;
        const logProbs = data.subarray(i * dims[1], (i + 1) * dims[1]);
        const best = highest(logProbs, [special.pad, special.bos]);
        row.score = Math.fround(row.score + logProbs[best]);
        row.finished = best === special.eos;
        if (!row.finished) row.ids.push(best);
        return best;
      });
      const kept = source_tensors.map((name) => [name, state[name]]);
      const next = states.map((name) => [name, outputs[NEXT_PREFIX + name]]);
      state = Object.fromEntries([...kept, ...next]);
    }
    return rows.map(({ ids, score, finished }) => [this.#hypothesis(ids, score, finished, null)]);
  }
}

/** Returns the place of the highest number, of equal ones the first. */
function highest(numbers, forbidden) {
  let best = -1;
  numbers.forEach((number, i) => {
    checkNumber(number);
    if (!forbidden.includes(i) && (best < 0 || number > numbers[best])) best = i;
  });
  return best;
}

function checkNumber(number) {
  if (Number.isNaN(number)) {
    throw new Error("The model must give numbers. Received: NaN; look at its weights.");
  }
}
