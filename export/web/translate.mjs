// Translates texts with the ONNX files of a bundle, in Node and in the browser.
//
//     import * as ort from "onnxruntime-node"; // or "onnxruntime-web"
//     import { openTranslator } from "./translate.mjs";
//
//     const translator = await openTranslator("bundle", ort);
//     const [[best]] = await translator.translate(["They are watching."]);
//     console.log(best.text, best.score);

import { openBundle } from "./bundle.mjs";
import { withWeights } from "./onnx_weights.mjs";
import { checkNumber, hypotheses, hypothesis } from "./hypotheses.mjs";
import { openTokenizers } from "./tokenizer.mjs";

// The functions of the bundle, one file each, that a search needs.
const SEARCHES = {
  greedy: ["translate_greedy"],
  beam: ["translate_beam"],
  steps: ["encode", "decode_step"],
};
// An output that is the next value of the input `state_0` is called `next_state_0`.
const NEXT_PREFIX = "next_";

/** @typedef {import("./hypotheses.mjs").Hypothesis} Hypothesis */

/**
 * Opens a bundle for translating.
 *
 * @param {string|URL} location Folder (Node), or URL of the folder.
 * @param {any} ort The module onnxruntime-node or onnxruntime-web, or a promise of it: the bundle is read
 *     meanwhile.
 * @param {object} [options]
 * @param {"greedy"|"beam"|"steps"} [options.search] A search inside a file, or "steps": greedy in
 *     JavaScript over encoder and decoder step. "beam" is there if the bundle was exported with one.
 * @param {string} [options.quantization] Which files: "float32", another that the bundle holds, or
 *     "smallest".
 * @param {object} [options.sessionOptions] For `ort.InferenceSession.create`.
 * @param {boolean} [options.keep] Whether a browser keeps the files, so that it needs no network next time.
 * @param {(read: import("./bundle.mjs").Progress) => void} [options.onProgress] Called while files are read.
 * @returns {Promise<Translator>}
 * @throws {Error} If it is no whole bundle or lacks the files of the search.
 */
export async function openTranslator(location, ort, options = {}) {
  // An error of the bundle comes first; then nobody waits for the runtime.
  Promise.resolve(ort).catch(() => {});
  const { search = "greedy", sessionOptions = {}, keep, onProgress } = options;
  const bundle = await openBundle(location, "onnx", { keep, onProgress });
  const quantization = bundle.quantization(options.quantization ?? "float32");
  const files = bundle.filesOf(quantization);
  bundle.checkSearch(search, searchesOf(files));
  bundle.expect([...SEARCHES[search].map((name) => files[name]), files.weights]);
  const tokenizers = await openTokenizers(bundle);
  // What the files of a quantization share, unless each holds its weights.
  const weights = "weights" in files ? await bundle.file(files.weights) : undefined;
  const read = {};
  for (const name of SEARCHES[search]) {
    const file = await bundle.file(files[name]);
    read[name] = weights ? withWeights(file, weights) : file;
  }
  const { InferenceSession, Tensor } = await ort;
  const sessions = {};
  for (const [name, bytes] of Object.entries(read)) {
    sessions[name] = await InferenceSession.create(bytes, sessionOptions);
  }
  return new Translator(bundle.manifest, Tensor, sessions, tokenizers, { search, quantization });
}

/** Returns the searches for which there are all files. */
function searchesOf(files) {
  return Object.keys(SEARCHES).filter((name) => SEARCHES[name].every((file) => file in files));
}

/** What `openTranslator` returns. */
export class Translator {
  #manifest;
  #Tensor;
  #sessions;
  #tokenizers;
  #search;

  constructor(manifest, Tensor, sessions, tokenizers, { search, quantization }) {
    this.#manifest = manifest;
    this.#Tensor = Tensor;
    this.#sessions = sessions;
    this.#tokenizers = tokenizers;
    this.#search = search;
    /** What was opened: the manifest of the bundle, the search, and which weights. */
    this.opened = { manifest, search, quantization };
  }

  /**
   * Translates texts; an empty text gives an empty translation.
   *
   * @param {string[]} texts
   * @param {object} [options]
   * @param {number} [options.batchSize] Most texts of one call of the runtime.
   * @returns {Promise<Hypothesis[][]>} For each text its hypotheses, the best first: one of "greedy"
   *     and "steps", at most `num_hypotheses` of "beam".
   * @throws {Error} If the batch size is not positive, a text has more tokens than the model has positions
   *     for, or the model gives NaN.
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
   * @throws {Error} If there are more than the model has positions for, or the model gives NaN.
   */
  async translateIds(sources) {
    if (!sources.length) return [];
    const { encoder, positions, max_length: longest } = this.#manifest.model ?? {};
    const length = Math.max(...sources.map((ids) => ids.length));
    if (encoder === "transformer" && positions === "learned" && length > longest) {
      throw new Error(
        `A text must have at most ${longest} tokens, end of sentence included: the model has learned no ` +
          `further positions. Received: ${length}; split it into sentences.`,
      );
    }
    const source_ids = this.#matrix(sources);
    if (this.#search === "steps") return this.#greedyOverSteps(sources, source_ids);
    const outputs = await this.#run(SEARCHES[this.#search][0], { source_ids });
    const { special_ids: special } = this.#manifest;
    return hypotheses(outputs, sources, special, this.#tokenizers);
  }

  /** Returns rows of ids as an int32 tensor, padded on the right. */
  #matrix(rows) {
    const length = Math.max(...rows.map((row) => row.length));
    const data = new Int32Array(rows.length * length).fill(this.#manifest.special_ids.pad);
    rows.forEach((row, i) => data.set(row, i * length));
    return new this.#Tensor("int32", data, [rows.length, length]);
  }

  /** Runs one function on those of the tensors that it takes. */
  async #run(name, tensors) {
    const session = this.#sessions[name];
    return session.run(Object.fromEntries(session.inputNames.map((input) => [input, tensors[input]])));
  }

  /** Frees the memory of the model, which the runtime does not collect. */
  async close() {
    for (const session of Object.values(this.#sessions)) await session.release();
  }

  /** The greedy search of docs/bundle.md over encoder and decoder step. */
  async #greedyOverSteps(sources, source_ids) {
    const { states, source_tensors, limits, special_ids: special } = this.#manifest;
    const attends = this.#sessions.decode_step.outputNames.includes("attention");
    const rows = sources.map((ids) => ({
      source: ids,
      ids: [],
      score: 0,
      ranking: null,
      attention: attends ? [] : null,
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
        if (attends) {
          const { data: weights, dims: shape } = outputs.attention;
          row.attention.push(weights.slice(i * shape[1], (i + 1) * shape[1]));
        }
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
    return rows.map((row) => [hypothesis(row, this.#tokenizers)]);
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
