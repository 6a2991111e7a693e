// Translates texts with the LiteRT files of a bundle, in the browser, by LiteRT.js.
//
//     import * as litert from "@litertjs/core";
//     import { openLiteRTTranslator } from "./litert.mjs";
//
//     await litert.loadLiteRt("node_modules/@litertjs/core/wasm/");
//     const translator = await openLiteRTTranslator("bundle/", litert);
//     const [[best]] = await translator.translate(["They are watching."]);
//     console.log(best.text, best.score);

import { openBundle } from "./bundle.mjs";
import { hypotheses } from "./hypotheses.mjs";
import { openTokenizers } from "./tokenizer.mjs";

// The file that translates; that of the steps has open lengths, which LiteRT.js does not run.
const TRANSLATE = "translate";

/** @typedef {import("./hypotheses.mjs").Hypothesis} Hypothesis */

/**
 * Opens a bundle for translating.
 *
 * @param {string|URL} location URL of the folder.
 * @param {any} litert The module @litertjs/core, after `loadLiteRt`, or a promise of it: the bundle is read
 *     meanwhile.
 * @param {object} [options]
 * @param {"greedy"|"beam"} [options.search] "beam" is there if the bundle was exported with one.
 * @param {string} [options.quantization] Which file: "float32", another that the bundle holds, or "smallest".
 * @param {object} [options.compileOptions] For `loadAndCompile`; it runs on the CPU, unless told.
 * @param {boolean} [options.keep] Whether the browser keeps the files, so that it needs no network next time.
 * @param {(read: import("./bundle.mjs").Progress) => void} [options.onProgress] Called while files are read.
 * @returns {Promise<LiteRTTranslator>}
 * @throws {Error} If it is no whole bundle, or lacks the file or the search.
 */
export async function openLiteRTTranslator(location, litert, options = {}) {
  // An error of the bundle comes first; then nobody waits for the runtime.
  Promise.resolve(litert).catch(() => {});
  const { search = "greedy", compileOptions = {}, keep, onProgress } = options;
  const bundle = await openBundle(location, "litert", { keep, onProgress });
  const quantization = bundle.quantization(options.quantization ?? "float32");
  const { source_lengths: lengths, signatures } = bundle.artefact;
  if (!lengths) {
    throw new Error(
      "A LiteRT file for a browser must have fixed source lengths. " +
        `Received: format version ${bundle.manifest.format_version} in ${location}; export the bundle again.`,
    );
  }
  const written = ["greedy", "beam"].filter((name) =>
    Object.hasOwn(signatures, signature(name, lengths[0])),
  );
  bundle.checkSearch(search, written);
  const file = bundle.filesOf(quantization)[TRANSLATE];
  bundle.expect([file]);
  const tokenizers = await openTokenizers(bundle);
  const bytes = await bundle.file(file);
  const { loadAndCompile, Tensor } = await litert;
  const model = await loadAndCompile(bytes, { accelerator: "wasm", ...compileOptions });
  return new LiteRTTranslator(bundle, Tensor, model, tokenizers, { search, quantization });
}

/** What `openLiteRTTranslator` returns. */
export class LiteRTTranslator {
  #special;
  #lengths;
  #Tensor;
  #model;
  #tokenizers;
  #search;

  constructor({ manifest, artefact }, Tensor, model, tokenizers, { search, quantization }) {
    this.#special = manifest.special_ids;
    this.#lengths = artefact.source_lengths.toSorted((a, b) => a - b);
    this.#Tensor = Tensor;
    this.#model = model;
    this.#tokenizers = tokenizers;
    this.#search = search;
    /** What was opened: the manifest of the bundle, the search, and which weights. */
    this.opened = { manifest, search, quantization };
  }

  /**
   * Translates texts one after the other; an empty text gives an empty translation.
   *
   * @param {string[]} texts
   * @returns {Promise<Hypothesis[][]>} For each text its hypotheses, the best first: one of "greedy",
   *     at most `num_hypotheses` of "beam".
   * @throws {Error} If a text is longer than the file takes, or the model gives NaN.
   */
  async translate(texts) {
    const found = [];
    for (const text of texts) {
      found.push(await this.translateIds(this.#tokenizers.source.encode(text)));
    }
    return found;
  }

  /**
   * @param {number[]} ids Source ids, ended by eos.
   * @returns {Promise<Hypothesis[]>} The best first.
   * @throws {Error} If they are more than the file takes, or the model gives NaN.
   */
  async translateIds(ids) {
    const length = this.#lengths.find((one) => one >= ids.length);
    if (length === undefined) {
      throw new Error(
        `A text must have at most ${this.#lengths.at(-1)} tokens, end of sentence included. ` +
          `Received: ${ids.length}; split it into sentences.`,
      );
    }
    const data = new Int32Array(length).fill(this.#special.pad);
    data.set(ids);
    const source_ids = new this.#Tensor(data, [1, length]);
    try {
      const outputs = await this.#model.run(signature(this.#search, length), { source_ids });
      const read = Object.entries(outputs).map(([name, tensor]) => [name, content(tensor)]);
      return hypotheses(Object.fromEntries(read), [ids], this.#special, this.#tokenizers)[0];
    } finally {
      source_ids.delete();
    }
  }

  /** Frees the memory of the model, which the browser does not collect. */
  close() {
    this.#model.delete();
  }
}

function signature(search, length) {
  return `translate_${search}_${length}`;
}

/** Copies a tensor out of the memory of LiteRT and frees it. */
function content(tensor) {
  const copy = { data: tensor.toTypedArray().slice(), dims: [...tensor.type.layout.dimensions] };
  tensor.delete();
  return copy;
}
