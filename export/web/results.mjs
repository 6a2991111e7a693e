// The list of translations: words that light up with those that they come from, and other translations.

/** @typedef {import("./hypotheses.mjs").Hypothesis} Hypothesis */

/**
 * Returns the item of one text.
 *
 * @param {string} text The source.
 * @param {Hypothesis[]} hypotheses The best first.
 * @param {{source: ?string, target: ?string}} languages Codes.
 * @param {(pair: string) => void} onPair Gets in words which words belong together.
 * @returns {HTMLLIElement}
 */
export function resultItem(text, [best, ...others], languages, onPair) {
  const item = document.createElement("li");
  const from = paragraph("from", languages.source);
  const to = paragraph("to", languages.target);
  from.textContent = text;
  to.textContent = best.text;
  item.append(from, to);
  if (best.alignment?.pairs.length) linkWords(from, to, best.alignment, onPair);
  if (!best.finished) item.append(hint("Cut: a translation has no more room."));
  if (others.length) item.append(alternatives(others, languages.target));
  return item;
}

/** Makes words of both sides light up together, for a pointer and for the arrow keys. */
function linkWords(from, to, { source, target, pairs }, onPair) {
  const sources = spans(from, source);
  const targets = spans(to, target);
  if (!sources || !targets) return;
  const show = (linked) => {
    const lit = linked.flatMap(([s, t]) => [sources[s], targets[t]]);
    for (const span of [...sources, ...targets]) span.classList.toggle("linked", lit.includes(span));
  };
  const listen = (spansOfSide, side) => {
    spansOfSide.forEach((span, place) => {
      span.addEventListener("pointerover", () => show(pairs.filter((pair) => pair[side] === place)));
      span.addEventListener("pointerout", () => show([]));
    });
  };
  listen(sources, 0);
  listen(targets, 1);
  let at = -1;
  to.tabIndex = 0;
  to.setAttribute("role", "group");
  to.setAttribute("aria-describedby", "words-hint");
  to.addEventListener("blur", () => {
    at = -1;
    show([]);
  });
  to.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    at = Math.min(Math.max(at + step, 0), pairs.length - 1);
    show([pairs[at]]);
    onPair(`${target[pairs[at][1]]}: ${source[pairs[at][0]]}`);
  });
}

/**
 * Puts a span around each word of a text; what stands between the words stays.
 *
 * @returns {?HTMLSpanElement[]} Null, and no change, if the text does not hold the words in this order.
 */
function spans(element, words) {
  const text = element.textContent;
  const parts = [];
  const found = [];
  let at = 0;
  for (const word of words) {
    const place = text.indexOf(word, at);
    if (!word || place < 0) return null;
    const span = document.createElement("span");
    span.className = "word";
    span.textContent = word;
    parts.push(text.slice(at, place), span);
    found.push(span);
    at = place + word.length;
  }
  element.replaceChildren(...parts, text.slice(at));
  return found;
}

function alternatives(hypotheses, language) {
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = hypotheses.length === 1 ? "1 other translation" : `${hypotheses.length} other translations`;
  const list = document.createElement("ol");
  for (const { text, confidence } of hypotheses) {
    const item = document.createElement("li");
    const translation = paragraph("other", language);
    translation.textContent = text;
    item.append(translation, hint(`Confidence ${Math.round(100 * confidence)} %`));
    list.append(item);
  }
  details.append(summary, list);
  return details;
}

function paragraph(name, language) {
  const element = document.createElement("p");
  element.className = name;
  element.dir = "auto";
  if (language) element.lang = language;
  return element;
}

function hint(text) {
  const element = document.createElement("p");
  element.className = "hint";
  element.textContent = text;
  return element;
}
