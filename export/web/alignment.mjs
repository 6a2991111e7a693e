// Which word of a source each word of its translation attends to most.

const SPACE = "\u2581";
const END = "</s>";
const BYTE = /^<0x([0-9A-F]{2})>$/;
// Thai and Lao, Tibetan, Burmese, Khmer, kana, Han: written without spaces between words.
const NO_SPACES = /[\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}]/u;

/**
 * Words of both sides, and which belong together.
 *
 * @typedef {object} Alignment
 * @property {string[]} source Words, or pieces in scripts without spaces; the end of sentence is none.
 * @property {string[]} target
 * @property {[number, number][]} pairs Word of the source and word of the translation, one pair for each of these.
 */

/**
 * @param {Float32Array[]} attention For each target token its weights over the source tokens.
 * @param {string[]} sourceTokens Pieces, eos included.
 * @param {string[]} targetTokens Pieces, eos included if the translation is finished.
 * @returns {Alignment}
 */
export function align(attention, sourceTokens, targetTokens) {
  const [source, target] = [words(sourceTokens), words(targetTokens)];
  const weight = ({ places: rows }, { places: columns }) =>
    rows.reduce((sum, row) => sum + columns.reduce((part, column) => part + attention[row][column], 0), 0);
  const pairs = target.flatMap((word, i) => {
    const weights = source.map((one) => weight(word, one));
    return weights.length ? [/** @type {[number, number]} */ ([weights.indexOf(Math.max(...weights)), i])] : [];
  });
  return { source: source.map(({ text }) => text), target: target.map(({ text }) => text), pairs };
}

/**
 * Joins pieces to what a reader sees as words, as keras_seq2seq/text/pieces.py does.
 *
 * @param {string[]} tokens
 * @returns {{text: string, places: number[]}[]} Each with the places of its tokens.
 */
export function words(tokens) {
  const groups = [];
  tokens.forEach((token, place) => {
    if (token === END) return;
    const before = groups.at(-1);
    if (before && !beginsWord(token, before.tokens)) {
      before.tokens.push(token);
      before.places.push(place);
    } else groups.push({ tokens: [token], places: [place] });
  });
  return groups.map(({ tokens: own, places }) => ({ text: textOf(own), places }));
}

function beginsWord(token, before) {
  if (token.startsWith(SPACE)) return true;
  if (before.every((one) => one === SPACE)) return false;
  const byte = BYTE.exec(token);
  if (byte) return NO_SPACES.test(textOf(before)) && parseInt(byte[1], 16) >> 6 !== 0b10;
  return NO_SPACES.test(token + textOf(before));
}

function textOf(tokens) {
  const bytes = tokens.flatMap((token) => {
    const byte = BYTE.exec(token);
    return byte ? [parseInt(byte[1], 16)] : [...new TextEncoder().encode(token)];
  });
  return new TextDecoder().decode(Uint8Array.from(bytes)).replaceAll(SPACE, " ").trim();
}
