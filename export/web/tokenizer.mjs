// Text to ids and back by a SentencePiece model, as docs/bundle.md tells.

import { SentencePieceProcessor } from "@sctg/sentencepiece-js";

/**
 * Opens the tokenizers of a bundle; a joint one is read once.
 *
 * @param {import("./bundle.mjs").Bundle} bundle
 * @returns {Promise<{source: Tokenizer, target: Tokenizer}>}
 */
export async function openTokenizers(bundle) {
  const { tokenizer, special_ids: special } = bundle.manifest;
  const open = async (name) => Tokenizer.open(await bundle.file(name), special);
  const source = await open(tokenizer.source);
  const target = tokenizer.target === tokenizer.source ? source : await open(tokenizer.target);
  return { source, target };
}

export class Tokenizer {
  #processor;
  #special;

  /**
   * @param {Uint8Array} model The bytes of a SentencePiece model.
   * @param {{pad: number, bos: number, eos: number}} special The `special_ids` of the manifest.
   * @returns {Promise<Tokenizer>}
   */
  static async open(model, special) {
    const processor = new SentencePieceProcessor();
    await processor.loadFromB64StringModel(base64(model));
    return new Tokenizer(processor, special);
  }

  constructor(processor, special) {
    this.#processor = processor;
    this.#special = special;
  }

  /**
   * @param {string} text Half a surrogate pair reads U+FFFD, NUL a space.
   * @returns {number[]} The ids of the text, then eos.
   * @throws {TypeError} If `text` is not a string.
   */
  encode(text) {
    if (typeof text !== "string") {
      throw new TypeError(`A text must be a string. Received: ${typeof text}.`);
    }
    const clean = text.replace(/\p{Surrogate}/gu, "\ufffd").replaceAll("\0", " ");
    return [...this.#processor.encodeIds(clean), this.#special.eos];
  }

  /**
   * @param {number[]} ids Read up to the first eos, without pad and bos.
   * @returns {string}
   */
  decode(ids) {
    const { pad, bos, eos } = this.#special;
    const end = ids.indexOf(eos);
    const kept = (end < 0 ? ids : ids.slice(0, end)).filter((id) => id !== pad && id !== bos);
    return kept.length ? this.#processor.decodeIds(kept) : "";
  }
}

function base64(bytes) {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}
