// A bundle, by path in Node or by URL anywhere: its manifest, and its files, each checked when it is read.

export const FORMAT_VERSIONS = [3, 4];
const TITLES = { onnx: "ONNX", litert: "LiteRT" };

/**
 * Reads the manifest of a bundle.
 *
 * @param {string|URL} location Folder (Node), or URL of the folder.
 * @param {"onnx"|"litert"} format Of which files to run.
 * @returns {Promise<Bundle>}
 * @throws {Error} If it has no manifest of this format version, or no files of the format.
 */
export async function openBundle(location, format) {
  const read = reader(location);
  let manifest;
  try {
    manifest = JSON.parse(new TextDecoder().decode(await read("manifest.json")));
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
  return new Bundle(manifest, read, format);
}

/**
 * What `openBundle` returns: `manifest`, as docs/bundle.md tells, `artefact`, its part about the format,
 * and the files that it lists.
 */
export class Bundle {
  #read;

  constructor(manifest, read, format) {
    this.manifest = manifest;
    this.artefact = manifest.artefacts[format];
    this.#read = read;
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
    const bytes = await this.#read(name);
    if (bytes.length !== entry.bytes) {
      throw new Error(`${name} must have ${entry.bytes} bytes. Received: ${bytes.length}; copy it again.`);
    }
    const sha256 = await digest(bytes);
    if (sha256 !== null && sha256 !== entry.sha256) {
      throw new Error(`${name} must have the SHA-256 ${entry.sha256}. Received: ${sha256}; copy it again.`);
    }
    return bytes;
  }
}

/** Returns a function that reads a file of the folder, name -> Uint8Array. */
function reader(location) {
  if (location instanceof URL || /^[a-z]+:\/\//i.test(location)) {
    const folder = new URL(location);
    if (!folder.pathname.endsWith("/")) folder.pathname += "/";
    return async (name) => {
      const response = await fetch(new URL(name.split("/").map(encodeURIComponent).join("/"), folder));
      if (!response.ok) throw new Error(`${response.url}: ${response.status} ${response.statusText}`);
      return new Uint8Array(await response.arrayBuffer());
    };
  }
  return async (name) => {
    const { readFile } = await import("node:fs/promises");
    return new Uint8Array(await readFile(`${location}/${name}`));
  };
}

function isInside(name) {
  return !/^[/\\]|^[a-z]:|\\/i.test(name) && !name.split("/").includes("..");
}

async function digest(bytes) {
  if (!globalThis.crypto?.subtle) return null;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
