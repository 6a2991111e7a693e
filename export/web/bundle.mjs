// A bundle, by path in Node or by URL anywhere: its manifest, and its files, each checked when it is read.

import { reader } from "./bundle_reader.mjs";

export const FORMAT_VERSIONS = [3, 4];
const SMALLEST = "smallest";
const TITLES = { onnx: "ONNX", litert: "LiteRT" };

/**
 * How much of the files of a bundle was read.
 *
 * @typedef {object} Progress
 * @property {number} loaded Bytes.
 * @property {number} total Bytes of the files that are needed.
 */

/**
 * Reads the manifest of a bundle.
 *
 * @param {string|URL} location Folder (Node), or URL of the folder.
 * @param {"onnx"|"litert"} format Of which files to run.
 * @param {object} [options]
 * @param {boolean} [options.keep] Whether a browser keeps the files, by their SHA-256, and reads what it
 *     kept. Then a bundle that was read once needs no network. Elsewhere it is ignored.
 * @param {(read: Progress) => void} [options.onProgress] Called while files are read.
 * @returns {Promise<Bundle>}
 * @throws {Error} If it has no manifest of this format version, or no files of the format.
 */
export async function openBundle(location, format, { keep = false, onProgress } = {}) {
  const files = await reader(location, keep);
  let manifest;
  try {
    manifest = JSON.parse(new TextDecoder().decode(await files.manifest()));
  } catch (error) {
    throw new Error(
      `A bundle must hold a manifest.json. Received: ${location}: ${error.message}; ` +
        "write one with `keras-seq2seq export`.",
    );
  }
  if (!FORMAT_VERSIONS.includes(manifest?.format_version)) {
    throw new Error(
      `This kit reads bundles of format version ${FORMAT_VERSIONS.join(" and ")}. ` +
        `Received: ${manifest?.format_version} in ${location}; take the kit of the version that wrote it.`,
    );
  }
  if (!manifest.artefacts?.[format]) {
    throw new Error(
      `A bundle for this kit must hold ${TITLES[format]} files. ` +
        `Received: ${Object.keys(manifest.artefacts ?? {})} in ${location}; ` +
        `export it with --formats ${format}.`,
    );
  }
  await files.forgetAllBut(Object.values(manifest.files).map(({ sha256 }) => sha256));
  return new Bundle(manifest, files, format, onProgress);
}

/**
 * What `openBundle` returns: `manifest`, as docs/bundle.md tells, `artefact`, its part about the format,
 * and the files that it lists.
 */
export class Bundle {
  #files;
  #onProgress;
  #loaded = 0;
  #total = 0;

  constructor(manifest, files, format, onProgress) {
    this.manifest = manifest;
    this.artefact = manifest.artefacts[format];
    this.#files = files;
    this.#onProgress = onProgress;
  }

  /**
   * Tells which files will be read besides the tokenizers, for `onProgress`.
   *
   * @param {(string|undefined)[]} names
   */
  expect(names) {
    const { source, target } = this.manifest.tokenizer;
    const read = [...new Set([source, target, ...names.filter((name) => name !== undefined)])];
    this.#total = read.reduce((sum, name) => sum + (this.manifest.files[name]?.bytes ?? 0), 0);
  }

  /**
   * Returns which weights to take.
   *
   * @param {string} asked One that the bundle has, or "smallest".
   * @returns {string}
   */
  quantization(asked) {
    if (asked !== SMALLEST) return asked;
    const sizes = Object.keys(this.artefact.files).map((name) => {
      const files = Object.values(this.filesOf(name));
      return [name, files.reduce((sum, file) => sum + (this.manifest.files[file]?.bytes ?? 0), 0)];
    });
    return sizes.sort(([, a], [, b]) => a - b)[0][0];
  }

  /**
   * Returns the paths of the files of a quantization.
   *
   * @param {string} quantization
   * @returns {Object<string, string>} By function (ONNX) or by part (LiteRT).
   * @throws {Error} If the bundle has none of this quantization.
   */
  filesOf(quantization) {
    const { path, files } = this.artefact;
    if (!Object.hasOwn(files, quantization)) {
      throw new Error(
        `The quantization must be one that the bundle has, of ${Object.keys(files)}. ` +
          `Received: ${quantization}; export the bundle with --quantization.`,
      );
    }
    const entries = Object.entries(files[quantization]);
    return Object.fromEntries(entries.map(([name, file]) => [name, `${path}/${file}`]));
  }

  /**
   * @param {string} search
   * @param {string[]} available The searches of this bundle.
   * @throws {Error} If it is not one of them.
   */
  checkSearch(search, available) {
    if (available.includes(search)) return;
    throw new Error(
      `The search must be one that the bundle has, of ${available}. Received: ${search}; ` +
        "a beam search is written by `keras-seq2seq export --beam-size N`.",
    );
  }

  /**
   * Reads one file and compares its size and, where the platform can, its SHA-256 with the manifest.
   * A browser can on https and on localhost.
   *
   * @param {string} name Path in the bundle, with "/".
   * @returns {Promise<Uint8Array>}
   * @throws {Error} If the manifest does not list it, it lies outside, or it was cut or altered.
   */
  async file(name) {
    const entry = Object.hasOwn(this.manifest.files, name) ? this.manifest.files[name] : null;
    if (!entry || !isInside(name)) {
      throw new Error(`A file must be listed in the manifest and lie in the bundle. Received: ${name}.`);
    }
    const bytes = await this.#files.read(name, entry.sha256, (count) => {
      this.#loaded += count;
      this.#onProgress?.({ loaded: this.#loaded, total: Math.max(this.#total, this.#loaded) });
    });
    if (bytes.length !== entry.bytes) {
      throw new Error(`${name} must have ${entry.bytes} bytes. Received: ${bytes.length}; copy it again.`);
    }
    const sha256 = await digest(bytes);
    if (sha256 !== null && sha256 !== entry.sha256) {
      throw new Error(`${name} must have the SHA-256 ${entry.sha256}. Received: ${sha256}; copy it again.`);
    }
    if (sha256 !== null) await this.#files.keep(name, sha256, bytes);
    return bytes;
  }
}

function isInside(name) {
  return !/^[/\\]|^[a-z]:|\\/i.test(name) && !name.split("/").includes("..");
}

async function digest(bytes) {
  if (!globalThis.crypto?.subtle) return null;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
