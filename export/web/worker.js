// Translates beside the page, which never waits: worker_client.mjs talks to it.
// It is a classic worker, because LiteRT.js loads its WebAssembly by importScripts, which module workers lack.

"use strict";

// Texts of one call of the runtime. The products of int8 depend on the batch, so texts go alone there.
const BATCH = { float32: 8 };
let translator = null;
let last = Promise.resolve();
const cancelled = new Set();

const METHODS = {
  async open(id, { bundle, runtimes, runtime, options }) {
    const { RUNTIMES } = await import("./runtimes.mjs");
    if (!Object.hasOwn(RUNTIMES, runtime)) {
      throw new Error(`The runtime must be one of ${Object.keys(RUNTIMES)}. Received: ${runtime}.`);
    }
    const onProgress = (progress) => postMessage({ id, progress });
    const folder = new URL(`${runtime}/`, runtimes);
    translator = await RUNTIMES[runtime](new URL(bundle), folder, { ...options, onProgress });
    return translator.opened;
  },
  async translate(id, texts) {
    const size = BATCH[translator.opened.quantization] ?? 1;
    for (let start = 0; start < texts.length; start += size) {
      // Lets messages in, among them one that cancels.
      await new Promise((resolve) => setTimeout(resolve));
      if (cancelled.delete(id)) return false;
      const rows = await translator.translate(texts.slice(start, start + size));
      postMessage({ id, progress: { start, rows } });
    }
    cancelled.delete(id);
    return true;
  },
};

addEventListener("message", ({ data: { id, method, argument } }) => {
  if (method === "cancel") {
    cancelled.add(argument);
    return;
  }
  last = last.then(async () => {
    try {
      postMessage({ id, found: await METHODS[method](id, argument) });
    } catch (error) {
      postMessage({ id, error: error?.message ?? String(error) });
    }
  });
});
