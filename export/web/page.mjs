// The page: index.html?bundle=URL&runtime=litert&search=beam&quantization=float32&text=TEXT. The bundle is the
// folder beside the page, the weights are the smallest, unless told.

import { resultItem } from "./results.mjs";
import { openInWorker } from "./worker_client.mjs";

const at = (id) => document.getElementById(id);
const options = new URLSearchParams(location.search);
const asked = {
  bundle: new URL(options.get("bundle") ?? "bundle/", location.href),
  runtime: options.get("runtime") ?? "onnx",
  search: options.get("search") ?? "greedy",
  quantization: options.get("quantization") ?? "smallest",
};
const CONTROL_WAIT = 5000; // ms
const STATUS_EVERY = 1000; // ms, so that a screen reader can finish a sentence
let languages = { source: null, target: null };
let aborter = null;
let lastTold = 0;

function tell(text, { error = false, share = null } = {}) {
  at("status").textContent = text;
  at("status").classList.toggle("error", error);
  at("progress").classList.toggle("idle", share === null);
  if (share !== null) at("progress").value = share;
  lastTold = performance.now();
}

/** As `tell`, but leaves out what comes too soon after another. */
function tellProgress(text, share) {
  at("progress").value = share;
  if (performance.now() - lastTold >= STATUS_EVERY) tell(text, { share });
}

/** Puts the languages of the bundle into title and labels. */
function nameLanguages({ languages: codes }) {
  if (!codes) return;
  languages = codes;
  const names = new Intl.DisplayNames(["en"], { type: "language" });
  const [source, target] = [codes.source, codes.target].map((code) => {
    try {
      return names.of(code);
    } catch {
      return code;
    }
  });
  document.title = at("title").textContent = `${source} to ${target}`;
  at("source-label").textContent = `${source} text`;
  at("target-label").textContent = `${target} translation`;
  at("source").lang = codes.source;
}

/** Offers what the bundle has. */
function offerSettings({ artefacts, beam }, opened) {
  const { files, signatures } = artefacts[asked.runtime];
  const hasBeam = beam && Object.keys(signatures).some((name) => name.startsWith("translate_beam"));
  fill("search", { greedy: "greedy", ...(hasBeam && { beam: `beam of ${beam.beam_size}` }) }, opened.search);
  fill("quantization", Object.fromEntries(Object.keys(files).map((name) => [name, name])), opened.quantization);
  const runtimes = { onnx: "ONNX Runtime", litert: "LiteRT" };
  const there = Object.entries(runtimes).filter(([name]) => Object.hasOwn(artefacts, name));
  fill("runtime", Object.fromEntries(there), asked.runtime);
  document.querySelector("#settings [name=bundle]").value = options.get("bundle") ?? "bundle/";
  at("settings").hidden = false;
  at("about").textContent = `Weights in ${opened.quantization}, ${runtimes[asked.runtime]}.`;
}

function fill(name, choices, chosen) {
  const select = document.querySelector(`#settings [name=${name}]`);
  select.replaceChildren(
    ...Object.entries(choices).map(([value, text]) => new Option(text, value, value === chosen, value === chosen)),
  );
}

/** Waits until the service worker sees what the page fetches; without one the page works too. */
async function controlled() {
  if (!navigator.serviceWorker) return false;
  if (navigator.serviceWorker.controller) return true;
  try {
    await navigator.serviceWorker.register("service_worker.js");
  } catch {
    return false;
  }
  if (navigator.serviceWorker.controller) return true;
  return new Promise((resolve) => {
    navigator.serviceWorker.addEventListener("controllerchange", () => resolve(true), { once: true });
    setTimeout(() => resolve(false), CONTROL_WAIT);
  });
}

async function translate(translator) {
  const texts = at("source").value.split("\n");
  if (!texts.some((text) => text.trim())) {
    tell("There is no text to translate.");
    return;
  }
  aborter = new AbortController();
  const { signal } = aborter;
  const start = performance.now();
  at("rows").replaceChildren();
  at("results").hidden = at("stop").hidden = false;
  at("copy").hidden = at("translate").disabled = true;
  // A list of hundreds is nothing to be read aloud by itself.
  at("rows").ariaLive = texts.length <= 5 ? "polite" : "off";
  tell("Translating.", { share: 0 });
  try {
    const onRows = (first, rows) => {
      const items = rows.map((row, i) => resultItem(texts[first + i], row, languages, (pair) => (at("pair").textContent = pair)));
      at("rows").append(...items);
      const done = first + rows.length;
      tellProgress(`Translating: ${done} of ${texts.length} lines.`, done / texts.length);
    };
    const found = await translator.translate(texts, { onRows, signal });
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    const lines = texts.length === 1 ? "Translated" : `${found.length} of ${texts.length} lines translated`;
    tell(signal.aborted ? `Stopped: ${found.length} of ${texts.length} lines.` : `${lines} in ${seconds} s.`);
  } catch (error) {
    tell(error.message, { error: true });
  }
  at("words-hint").hidden = !at("rows").querySelector(".word");
  at("copy").hidden = !at("rows").children.length;
  at("stop").hidden = true;
  at("translate").disabled = false;
}

async function copy() {
  const text = [...at("rows").querySelectorAll(".to")].map((line) => line.textContent).join("\n");
  try {
    if (!navigator.clipboard) throw new Error("pages may on https only");
    await navigator.clipboard.writeText(text);
    tell("Copied.");
  } catch (error) {
    tell(`The browser does not let this page copy (${error.message}); select the text.`, { error: true });
  }
}

async function start() {
  at("progress").value = 0;
  const offline = await controlled();
  const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
  const onProgress = ({ loaded, total }) =>
    tellProgress(`Loading: ${megabytes(loaded)} of ${megabytes(total)} MB.`, loaded / total);
  const translator = await openInWorker(asked.bundle, { ...asked, keep: true, onProgress });
  const { manifest } = translator.opened;
  nameLanguages(manifest);
  offerSettings(manifest, translator.opened);
  at("form").addEventListener("submit", (event) => {
    event.preventDefault();
    translate(translator);
  });
  at("stop").addEventListener("click", () => aborter?.abort());
  at("copy").addEventListener("click", copy);
  at("translate").disabled = false;
  tell(offline ? "Ready, also without a network." : "Ready.");
  if (options.has("text")) {
    at("source").value = options.get("text");
    at("form").requestSubmit();
  }
}

at("source").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || at("translate").disabled) return;
  event.preventDefault();
  at("form").requestSubmit();
});
// Before the bundle is open, Enter must not load the page again.
at("form").addEventListener("submit", (event) => event.preventDefault());
start().catch((error) => {
  tell(error.message, { error: true });
  at("defaults").hidden = !location.search;
});
