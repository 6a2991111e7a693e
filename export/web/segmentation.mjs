// Splits a normalized text into pieces as SentencePiece does (unigram_model.cc, bpe_model.cc, ...).

import { KINDS } from "./sentencepiece_model.mjs";

const WORD = /\u2581[^\u2581]*|^[^\u2581]+/g;
const UNKNOWN_PENALTY = 10;

/**
 * What the ways of splitting read.
 *
 * @typedef {object} Vocabulary
 * @property {{text: string, score: number, kind: number}[]} pieces By id.
 * @property {Map<string, number>} ids Of the pieces that a text can hold.
 * @property {number} unknown
 * @property {string[]} symbols User-defined, the longest first.
 * @property {(text: string) => number} idOf The id of a piece that a text can hold, or the unknown one.
 * @property {number} longest Characters of the longest piece that a text can hold.
 * @property {number} lowest Score of a normal piece.
 */

/**
 * Returns the most probable pieces (Kudo 2018), by Viterbi. Sums are rounded as in SentencePiece
 * 0.2.3, so that what is equally probable there is so here.
 *
 * @param {string} text
 * @param {Vocabulary} vocabulary
 * @returns {[string, number][]} Texts and ids.
 */
export function unigram(text, vocabulary) {
  const { pieces, ids, unknown, longest, lowest } = vocabulary;
  const starts = characterStarts(text);
  const count = starts.length - 1;
  const best = Array.from({ length: count + 1 }, () => ({ score: 0, from: -1, id: -1 }));
  const offer = (end, sum, from, id) => {
    const score = Math.fround(sum);
    if (best[end].from === -1 || score > best[end].score) best[end] = { score, from, id };
  };
  const unknownScore = Math.fround(lowest - UNKNOWN_PENALTY);
  for (let from = 0; from < count; from++) {
    const before = best[from].score;
    let single = false;
    for (let end = from + 1; end <= count && end - from <= longest; end++) {
      const piece = text.slice(starts[from], starts[end]);
      const id = ids.get(piece);
      if (id === undefined || pieces[id].kind === KINDS.UNUSED) continue;
      const defined = pieces[id].kind === KINDS.USER_DEFINED;
      const bytes = defined ? new TextEncoder().encode(piece).length : 0;
      const score = defined ? Math.fround(0.1 * (bytes - 1)) : pieces[id].score;
      offer(end, score + before, from, id);
      single ||= end === from + 1;
    }
    if (!single) offer(from + 1, unknownScore + before, from, unknown);
  }
  const found = [];
  for (let end = count; end > 0; end = best[end].from) {
    found.push([text.slice(starts[best[end].from], starts[end]), best[end].id]);
  }
  return found.reverse();
}

/**
 * Merges the pair of the highest score, of equal ones the first, until no pair is a piece (Sennrich 2016).
 *
 * @param {string} text
 * @param {Vocabulary} vocabulary
 * @returns {[string, number][]}
 */
export function bpe(text, vocabulary) {
  const { pieces, ids } = vocabulary;
  const symbols = characters(text, vocabulary).map(([piece, frozen]) => ({ piece, frozen }));
  const origins = new Map();
  // The score of the piece that a symbol and the next one form.
  const scoreAt = (i) => {
    const [left, right] = [symbols[i], symbols[i + 1]];
    if (!left || !right || left.frozen || right.frozen) return -Infinity;
    const piece = left.piece + right.piece;
    const id = ids.get(piece);
    if (id === undefined) return -Infinity;
    if (pieces[id].kind === KINDS.UNUSED) origins.set(piece, [left.piece, right.piece]);
    return pieces[id].score;
  };
  const scores = symbols.map((_, i) => scoreAt(i));
  for (;;) {
    let place = -1;
    for (let i = 0; i < scores.length; i++) {
      if (scores[i] > (place < 0 ? -Infinity : scores[place])) place = i;
    }
    if (place < 0) break;
    const [left, right] = symbols.splice(place, 2);
    symbols.splice(place, 0, { piece: left.piece + right.piece, frozen: false });
    scores.splice(place, 1);
    scores[place] = scoreAt(place);
    if (place > 0) scores[place - 1] = scoreAt(place - 1);
  }
  // What was learnt only to be merged on is split again.
  const split = (piece) => {
    const id = vocabulary.idOf(piece);
    const parts = pieces[id].kind === KINDS.UNUSED ? origins.get(piece) : undefined;
    return parts ? parts.flatMap(split) : [[piece, id]];
  };
  return symbols.flatMap(({ piece }) => split(piece));
}

/** @param {string} text @param {Vocabulary} vocabulary @returns {[string, number][]} */
export function char(text, vocabulary) {
  return characters(text, vocabulary).map(([piece]) => [piece, vocabulary.idOf(piece)]);
}

/**
 * Splits before each space, also in a model that has spaces at the ends of its pieces.
 *
 * @param {string} text
 * @param {Vocabulary} vocabulary
 * @returns {[string, number][]}
 */
export function word(text, vocabulary) {
  const words = text.match(WORD) ?? [];
  return words.map((piece) => [piece, vocabulary.idOf(piece)]);
}

/** Returns characters, and user-defined symbols, which stay whole: pairs of text and whether it is one. */
function characters(text, { symbols }) {
  const found = [];
  for (let at = 0; at < text.length; at += found.at(-1)[0].length) {
    const symbol = symbols.find((one) => text.startsWith(one, at));
    found.push([symbol ?? String.fromCodePoint(text.codePointAt(at)), symbol !== undefined]);
  }
  return found;
}

function characterStarts(text) {
  const starts = [0];
  for (const character of text) starts.push(starts.at(-1) + character.length);
  return starts;
}
