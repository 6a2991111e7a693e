// Opens a bundle with the runtime that a built page has: see build_site.mjs.

import { fetched } from "./download.mjs";

const GZIP = [0x1f, 0x8b];

/**
 * @typedef {object} Options
 * @property {string} [search]
 * @property {string} [quantization]
 * @property {boolean} [keep]
 * @property {(read: {loaded: number, total: number}) => void} [onProgress]
 */

/**
 * By name, functions that open a bundle: (URL of the bundle, URL of the folder of the runtime, options).
 * Only the runtime that is asked for is fetched, together with the bundle.
 *
 * @type {Object<string, (bundle: URL, folder: URL, options: Options) => Promise<any>>}
 */
export const RUNTIMES = {
  onnx: async (bundle, folder, options) => {
    const [tellBundle, tellRuntime] = sharers(options.onProgress, 2);
    const { openTranslator } = await import("./translate.mjs");
    return openTranslator(bundle, onnxruntime(folder, tellRuntime), { ...options, onProgress: tellBundle });
  },
  litert: async (bundle, folder, options) => {
    const [tellBundle, tellRuntime] = sharers(options.onProgress, 2);
    const { openLiteRTTranslator } = await import("./litert.mjs");
    return openLiteRTTranslator(bundle, liteRT(folder, tellRuntime), { ...options, onProgress: tellBundle });
  },
};

async function onnxruntime(folder, onProgress) {
  const binary = webAssembly(new URL("ort-wasm-simd-threaded.wasm", folder), onProgress);
  const [ort, wasmBinary] = await Promise.all([import(new URL("ort.wasm.min.mjs", folder).href), binary]);
  ort.env.wasm.wasmPaths = folder.href;
  ort.env.wasm.wasmBinary = wasmBinary;
  // Threads share memory, which only pages that are cross-origin isolated may do.
  if (!globalThis.crossOriginIsolated) ort.env.wasm.numThreads = 1;
  return ort;
}

async function liteRT(folder, onProgress) {
  const litert = await import(new URL("index.js", folder).href);
  const relaxed = await litert.supportsFeature("relaxedSimd");
  const name = relaxed ? "litert_wasm_internal" : "litert_wasm_compat_internal";
  const wasmBinary = await webAssembly(new URL(`${name}.wasm`, folder), onProgress);
  // Emscripten takes over what it finds there.
  globalThis.Module = { wasmBinary };
  await litert.loadLiteRt(new URL(`${name}.js`, folder).href);
  return litert;
}

/** Returns functions that each tell of a part of what is read, and so together of the whole. */
function sharers(onProgress, count) {
  const parts = Array.from({ length: count }, () => ({ loaded: 0, total: 0 }));
  const sum = (key) => parts.reduce((all, part) => all + part[key], 0);
  return parts.map((part) => (read) => {
    Object.assign(part, read);
    onProgress?.({ loaded: sum("loaded"), total: sum("total") });
  });
}

/**
 * Returns a WebAssembly file, which build_site.mjs compressed unless it was told not to; some servers
 * unpack it themselves.
 */
async function webAssembly(url, onProgress) {
  let loaded = 0;
  const tell = (count, total) => {
    loaded += count;
    onProgress?.({ loaded, total: Math.max(total, loaded) });
  };
  const bytes = await fetched(`${url}.gz`, tell).catch((error) => {
    if (error.status === 404) return fetched(url, tell);
    throw error;
  });
  if (!GZIP.every((byte, i) => bytes[i] === byte)) return bytes.buffer;
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(unpacked).arrayBuffer();
}
