// What becomes of a text before SentencePiece splits it (normalizer.cc): characters, spaces, the space in front.

const SPACE = "\u2581";
// Without ignoreBOM it would drop U+FEFF.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

export class Normalizer {
  #spec;
  #spaceAsSuffix;
  #symbols;
  #units;
  #texts;

  /**
   * @param {import("./sentencepiece_model.mjs").NormalizerSpec} spec
   * @param {boolean} [spaceAsSuffix] Whether the additional space comes at the end.
   * @param {string[]} [symbols] User-defined symbols, which stay as they are.
   */
  constructor(spec, spaceAsSuffix = false, symbols = []) {
    this.#spec = spec;
    this.#spaceAsSuffix = spaceAsSuffix;
    this.#symbols = symbols.toSorted((a, b) => b.length - a.length);
    const { charsmap } = spec;
    if (charsmap.length < 4) return;
    // The length of a double array (Darts), its units, then the texts that they name, each ended by 0.
    const view = new DataView(charsmap.buffer, charsmap.byteOffset, charsmap.byteLength);
    const size = view.getUint32(0, true);
    this.#units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.#texts = charsmap.subarray(4 + size);
  }

  /** @param {string} text @returns {string} */
  normalize(text) {
    const { dummyPrefix, removeExtraSpaces, escapeSpaces } = this.#spec;
    const space = escapeSpaces ? SPACE : " ";
    const parts = this.#parts(text);
    let first = 0;
    if (removeExtraSpaces) while (parts[first] === " ") first++;
    if (first === parts.length) return "";
    let found = !this.#spaceAsSuffix && dummyPrefix ? space : "";
    let afterSpace = removeExtraSpaces;
    for (let part of parts.slice(first)) {
      if (afterSpace) part = part.replace(/^ +/, "");
      if (part) {
        found += escapeSpaces ? part.replaceAll(" ", SPACE) : part;
        afterSpace = part.endsWith(" ");
      }
      if (!removeExtraSpaces) afterSpace = false;
    }
    if (removeExtraSpaces) while (found.endsWith(space)) found = found.slice(0, -space.length);
    return this.#spaceAsSuffix && dummyPrefix ? found + space : found;
  }

  /** Returns what becomes of each part of the text that is replaced as one. */
  #parts(text) {
    const parts = [];
    const bytes = this.#units ? new TextEncoder().encode(text) : null;
    let offset = 0; // in bytes
    for (let at = 0; at < text.length; ) {
      const character = String.fromCodePoint(text.codePointAt(at));
      const symbol = this.#symbols.find((one) => text.startsWith(one, at));
      const match = symbol || !bytes ? null : this.#longest(bytes, offset);
      let taken = symbol ?? character;
      let part = taken;
      if (match) {
        taken = utf8.decode(bytes.subarray(offset, offset + match.length));
        part = match.text;
      }
      parts.push(part);
      at += taken.length;
      offset += byteLength(taken);
    }
    return parts;
  }

  /** Returns the longest entry of the double array that the bytes begin with, and its text. */
  #longest(bytes, start) {
    const units = this.#units;
    let node = offsetOf(units[0]);
    let match = null;
    for (let i = start; i < bytes.length; i++) {
      node ^= bytes[i];
      const unit = units[node];
      if (unit === undefined || (unit & 0x800000ff) >>> 0 !== bytes[i]) break;
      node ^= offsetOf(unit);
      if ((unit >>> 8) & 1) match = { length: i + 1 - start, value: units[node] & 0x7fffffff };
    }
    if (!match) return null;
    const end = this.#texts.indexOf(0, match.value);
    return { length: match.length, text: utf8.decode(this.#texts.subarray(match.value, end)) };
  }
}

function offsetOf(unit) {
  return (unit >>> 10) << ((unit & 512) >>> 6);
}

function byteLength(text) {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0);
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
