// Text to ids and back by a SentencePiece model, as docs/bundle.md tells.

import { Normalizer } from "./normalizer.mjs";
import * as segmentations from "./segmentation.mjs";
import { KINDS, readModel } from "./sentencepiece_model.mjs";

const SPACE = "\u2581";
const IN_TEXTS = [KINDS.NORMAL, KINDS.USER_DEFINED, KINDS.UNUSED];

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

/** Text to ids and back. */
export class Tokenizer {
  #model;
  #special;
  #vocabulary;
  #normalizer;
  #denormalizer;

  /**
   * @param {Uint8Array} model The bytes of a SentencePiece model.
   * @param {{pad: number, bos: number, eos: number}} special The `special_ids` of the manifest.
   * @returns {Promise<Tokenizer>}
   * @throws {Error} If it is no such model.
   */
  static async open(model, special) {
    return new Tokenizer(readModel(model), special);
  }

  /**
   * @param {import("./sentencepiece_model.mjs").SentencePieceModel} model
   * @param {{pad: number, bos: number, eos: number}} special
   */
  constructor(model, special) {
    this.#model = model;
    this.#special = special;
    this.#vocabulary = vocabularyOf(model);
    this.#normalizer = new Normalizer(model.normalizer, model.spaceAsSuffix, this.#vocabulary.symbols);
    if (model.denormalizer.charsmap.length) this.#denormalizer = new Normalizer(model.denormalizer);
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
    const { pieces, bytes, unknown } = this.#vocabulary;
    const normalized = this.#normalizer.normalize(clean);
    const ids = [];
    let afterUnknown = false;
    for (const [piece, id] of segmentations[this.#model.type](normalized, this.#vocabulary)) {
      const isUnknown = pieces[id].kind === KINDS.UNKNOWN;
      if (isUnknown && this.#model.byteFallback) {
        ids.push(...Array.from(new TextEncoder().encode(piece), (byte) => bytes[byte] ?? unknown));
      } else if (!isUnknown || !afterUnknown) ids.push(id);
      afterUnknown = isUnknown;
    }
    return [...ids, this.#special.eos];
  }

  /**
   * @param {number[]} ids Read up to the first eos, without pad and bos.
   * @returns {string}
   */
  decode(ids) {
    const { pad, bos, eos } = this.#special;
    const end = ids.indexOf(eos);
    const kept = (end < 0 ? ids : ids.slice(0, end)).filter((id) => id !== pad && id !== bos);
    const { dummyPrefix, removeExtraSpaces } = this.#model.normalizer;
    let text = "";
    let bytes = [];
    let sawSpace = false;
    const flush = () => {
      text += textOf(bytes);
      bytes = [];
    };
    for (const id of kept) {
      const { kind, text: piece } = this.#piece(id);
      if (kind === KINDS.BYTE) {
        bytes.push(parseInt(piece.slice(3, 5), 16));
        continue;
      }
      flush();
      const atStart = !sawSpace && !text;
      sawSpace = false;
      if (kind === KINDS.CONTROL) continue;
      if (kind === KINDS.UNKNOWN) text += this.#model.unknownSurface;
      else {
        const strip = atStart && (dummyPrefix || removeExtraSpaces) && piece.startsWith(SPACE);
        sawSpace = strip && !removeExtraSpaces;
        text += (strip ? piece.slice(1) : piece).replaceAll(SPACE, " ");
      }
    }
    flush();
    return this.#denormalizer ? this.#denormalizer.normalize(text) : text;
  }

  /** @param {number[]} ids @returns {string[]} The piece of each id, such as "▁the". */
  pieces(ids) {
    return ids.map((id) => this.#piece(id).text);
  }

  #piece(id) {
    const piece = this.#model.pieces[id];
    if (piece) return piece;
    throw new Error(`An id must be in [0, ${this.#model.pieces.length}). Received: ${id}.`);
  }
}

/** @returns {import("./segmentation.mjs").Vocabulary} */
function vocabularyOf({ pieces }) {
  const ids = new Map();
  const bytes = {};
  pieces.forEach(({ text, kind }, id) => {
    if (IN_TEXTS.includes(kind)) ids.set(text, id);
    if (kind === KINDS.BYTE) bytes[parseInt(text.slice(3, 5), 16)] = id;
  });
  const scores = pieces.filter(({ kind }) => kind === KINDS.NORMAL).map(({ score }) => score);
  const unknown = pieces.findIndex(({ kind }) => kind === KINDS.UNKNOWN);
  const symbols = pieces.filter(({ kind }) => kind === KINDS.USER_DEFINED).map(({ text }) => text);
  return {
    pieces,
    ids,
    bytes,
    unknown,
    idOf: (text) => ids.get(text) ?? unknown,
    symbols: symbols.sort((a, b) => b.length - a.length),
    longest: [...ids.keys()].reduce((length, text) => Math.max(length, [...text].length), 1),
    lowest: scores.reduce((a, b) => Math.min(a, b), Infinity),
  };
}

/** Returns the text of byte pieces; each byte that is not UTF-8 reads U+FFFD. */
function textOf(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at];
    const length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    try {
      const one = Uint8Array.from(bytes.slice(at, at + length));
      text += new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(one);
      at += length;
    } catch {
      text += "\ufffd";
      at += 1;
    }
  }
  return text;
}
