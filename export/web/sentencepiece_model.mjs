// A SentencePiece model file (sentencepiece_model.proto): its pieces, and how a text is normalized and split.

import { fields } from "./protobuf.mjs";

export const TYPES = { 1: "unigram", 2: "bpe", 3: "word", 4: "char" };
export const KINDS = { NORMAL: 1, UNKNOWN: 2, CONTROL: 3, USER_DEFINED: 4, UNUSED: 5, BYTE: 6 };

// Without ignoreBOM it would drop U+FEFF.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
// Numbers of fields.
const MODEL = { pieces: 1, trainer: 2, normalizer: 3, denormalizer: 5 };
const PIECE = { text: 1, score: 2, kind: 3 };
const TRAINER = { type: 3, spaceAsSuffix: 24, byteFallback: 35, unknownSurface: 44 };
const NORMALIZER = { charsmap: 2, dummyPrefix: 3, removeExtraSpaces: 4, escapeSpaces: 5 };

/**
 * How a text is normalized.
 *
 * @typedef {object} NormalizerSpec
 * @property {Uint8Array} charsmap What becomes of characters; empty if nothing does.
 * @property {boolean} dummyPrefix
 * @property {boolean} removeExtraSpaces
 * @property {boolean} escapeSpaces
 */

/**
 * A model.
 *
 * @typedef {object} SentencePieceModel
 * @property {{text: string, score: number, kind: number}[]} pieces By id.
 * @property {"unigram"|"bpe"|"word"|"char"} type
 * @property {boolean} spaceAsSuffix
 * @property {boolean} byteFallback
 * @property {string} unknownSurface
 * @property {NormalizerSpec} normalizer
 * @property {NormalizerSpec} denormalizer
 */

/**
 * @param {Uint8Array} bytes
 * @returns {SentencePieceModel}
 * @throws {Error} If it is no such model.
 */
export function readModel(bytes) {
  const model = {
    pieces: [],
    type: TYPES[1],
    spaceAsSuffix: false,
    byteFallback: false,
    unknownSurface: " \u2047 ",
    normalizer: readNormalizer(new Uint8Array()),
    denormalizer: { ...readNormalizer(new Uint8Array()), dummyPrefix: false, removeExtraSpaces: false },
  };
  for (const { number, start, end } of fields(bytes)) {
    const content = bytes.subarray(start, end);
    if (number === MODEL.pieces) model.pieces.push(readPiece(content));
    else if (number === MODEL.trainer) readTrainer(content, model);
    else if (number === MODEL.normalizer) model.normalizer = readNormalizer(content);
    else if (number === MODEL.denormalizer) model.denormalizer = readNormalizer(content);
  }
  if (!model.pieces.some(({ kind }) => kind === KINDS.UNKNOWN)) {
    throw new Error("A tokenizer must be a SentencePiece model with an unknown piece. Received: another file.");
  }
  return model;
}

function readPiece(bytes) {
  const piece = { text: "", score: 0, kind: KINDS.NORMAL };
  for (const { number, value, start, end } of fields(bytes)) {
    if (number === PIECE.text) piece.text = utf8.decode(bytes.subarray(start, end));
    else if (number === PIECE.score) {
      piece.score = new DataView(bytes.buffer, bytes.byteOffset + start, 4).getFloat32(0, true);
    } else if (number === PIECE.kind) piece.kind = value;
  }
  return piece;
}

function readTrainer(bytes, model) {
  for (const { number, value, start, end } of fields(bytes)) {
    if (number === TRAINER.type) {
      if (!Object.hasOwn(TYPES, value)) {
        throw new Error(`The type of a tokenizer must be one of ${Object.values(TYPES)}. Received: ${value}.`);
      }
      model.type = TYPES[value];
    } else if (number === TRAINER.spaceAsSuffix) model.spaceAsSuffix = Boolean(value);
    else if (number === TRAINER.byteFallback) model.byteFallback = Boolean(value);
    else if (number === TRAINER.unknownSurface) {
      model.unknownSurface = utf8.decode(bytes.subarray(start, end));
    }
  }
}

/** @returns {NormalizerSpec} */
function readNormalizer(bytes) {
  const spec = {
    charsmap: new Uint8Array(),
    dummyPrefix: true,
    removeExtraSpaces: true,
    escapeSpaces: true,
  };
  for (const { number, value, start, end } of fields(bytes)) {
    if (number === NORMALIZER.charsmap) spec.charsmap = bytes.subarray(start, end);
    else if (number === NORMALIZER.dummyPrefix) spec.dummyPrefix = Boolean(value);
    else if (number === NORMALIZER.removeExtraSpaces) spec.removeExtraSpaces = Boolean(value);
    else if (number === NORMALIZER.escapeSpaces) spec.escapeSpaces = Boolean(value);
  }
  return spec;
}
