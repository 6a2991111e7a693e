// Keeps the page and its runtime, so that they open without a network. What the network has is taken first,
// so nobody sees an old page; the bundle is kept by bundle_reader.mjs.

"use strict";

const CACHE = "keras_seq2seq page";
// Read before this worker can see it, or only later. build_site.mjs copies these files.
const PAGE = [
  "./",
  "page.css",
  "page.mjs",
  "results.mjs",
  "worker_client.mjs",
  "worker.js",
  "runtimes.mjs",
  "download.mjs",
  "bundle.mjs",
  "bundle_reader.mjs",
  "translate.mjs",
  "litert.mjs",
  "onnx_weights.mjs",
  "protobuf.mjs",
  "hypotheses.mjs",
  "alignment.mjs",
  "tokenizer.mjs",
  "sentencepiece_model.mjs",
  "normalizer.mjs",
  "segmentation.mjs",
];

addEventListener("install", (event) => {
  skipWaiting();
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(PAGE)));
});

addEventListener("activate", (event) => event.waitUntil(clients.claim()));

addEventListener("fetch", (event) => {
  const { method, url, cache } = event.request;
  if (method !== "GET" || cache === "no-store" || new URL(url).origin !== location.origin) return;
  event.respondWith(newest(event.request));
});

/** Returns what the network has, or without one what it had before. */
async function newest(request) {
  const kept = await caches.open(CACHE);
  // The options of the page stand in its query.
  const key = request.mode === "navigate" ? request.url.replace(/(index\.html)?([?#].*)?$/, "") : request.url;
  try {
    const response = await fetch(request, request.mode === "navigate" ? {} : { cache: "no-cache" });
    if (response.status === 200) await kept.put(key, response.clone());
    return response;
  } catch (error) {
    const before = await kept.match(key);
    if (before) return before;
    throw error;
  }
}
