// Opens a bundle in a worker, so that a page never waits for a translation.
//
//     const translator = await openInWorker(new URL("bundle/", location.href), { runtime: "onnx" });
//     const rows = await translator.translate(["They are watching."]);
//     console.log(rows[0][0].text);

/** @typedef {import("./hypotheses.mjs").Hypothesis} Hypothesis */

/**
 * @param {string|URL} bundle URL of the folder.
 * @param {object} [options]
 * @param {"onnx"|"litert"} [options.runtime]
 * @param {string} [options.search] "greedy" or "beam".
 * @param {string} [options.quantization] One that the bundle has, or "smallest".
 * @param {boolean} [options.keep] Whether the browser keeps the files of the bundle.
 * @param {string|URL} [options.runtimes] URL of the folder with the runtimes, as build_site.mjs writes it.
 * @param {string|URL} [options.worker] URL of worker.js.
 * @param {(read: {loaded: number, total: number}) => void} [options.onProgress]
 * @returns {Promise<WorkerTranslator>}
 * @throws {Error} If the bundle cannot be opened so.
 */
export async function openInWorker(bundle, options = {}) {
  const {
    runtime = "onnx",
    search = "greedy",
    quantization = "smallest",
    keep = false,
    runtimes = new URL("runtimes/", import.meta.url),
    worker = new URL("worker.js", import.meta.url),
    onProgress,
  } = options;
  const calls = new Calls(new Worker(worker));
  const given = { search, quantization, keep };
  const argument = { bundle: String(bundle), runtimes: String(runtimes), runtime, options: given };
  try {
    return new WorkerTranslator(calls, await calls.call("open", argument, onProgress));
  } catch (error) {
    calls.end();
    throw error;
  }
}

/** What `openInWorker` returns. */
export class WorkerTranslator {
  #calls;

  constructor(calls, opened) {
    this.#calls = calls;
    /** @type {{manifest: any, search: string, quantization: string}} What was opened. */
    this.opened = opened;
  }

  /**
   * Translates texts, one call after the other.
   *
   * @param {string[]} texts
   * @param {object} [options]
   * @param {(start: number, rows: Hypothesis[][]) => void} [options.onRows] Gets translations as they are
     *     made, and the place of the first.
   * @param {AbortSignal} [options.signal] Ends the translation before its next text.
   * @returns {Promise<Hypothesis[][]>} For each text its hypotheses, the best first; fewer texts if it was
   *     aborted.
   * @throws {Error} If a text cannot be translated.
   */
  async translate(texts, { onRows, signal } = {}) {
    const found = [];
    const onProgress = ({ start, rows }) => {
      found.push(...rows);
      onRows?.(start, rows);
    };
    await this.#calls.call("translate", texts, onProgress, signal);
    return found;
  }

  /** Ends the worker; a translation that was begun fails. */
  close() {
    this.#calls.end();
  }
}

/** Calls of the worker that wait for their answers. */
class Calls {
  #worker;
  #waiting = new Map();
  #count = 0;

  constructor(worker) {
    this.#worker = worker;
    worker.addEventListener("message", ({ data }) => this.#answered(data));
    worker.addEventListener("error", (event) => this.#failed(event.message || "its script does not load"));
  }

  call(method, argument, onProgress, signal) {
    const id = this.#count++;
    signal?.addEventListener("abort", () => this.#worker.postMessage({ method: "cancel", argument: id }));
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, onProgress });
      this.#worker.postMessage({ id, method, argument });
    });
  }

  end() {
    this.#worker.terminate();
    this.#failed("it was closed");
  }

  #answered({ id, progress, found, error }) {
    const call = this.#waiting.get(id);
    if (!call) return;
    if (progress !== undefined) {
      call.onProgress?.(progress);
      return;
    }
    this.#waiting.delete(id);
    if (error === undefined) call.resolve(found);
    else call.reject(new Error(error));
  }

  #failed(why) {
    for (const { reject } of this.#waiting.values()) reject(new Error(`The worker ended: ${why}.`));
    this.#waiting.clear();
  }
}
