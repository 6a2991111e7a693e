// A bundle, by path in Node or by URL anywhere: its manifest, and its files, each checked when it is read.

export const FORMAT_VERSIONS = [3, 4];

/**
 * Reads the manifest of a bundle.
 *
 * @param {string|URL} location Folder (Node), or URL of the folder.
 * @returns {Promise<Bundle>}
 * @throws {Error} If it has no manifest of this format version, or no ONNX files.
 */
export async function openBundle(location) {
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
  if (!manifest.artefacts?.onnx) {
    throw new Error(
      "A bundle for this kit must hold ONNX files. " +
        `Received: ${Object.keys(manifest.artefacts ?? {})} in ${location}; export it with --formats onnx.`,
    );
  }
  return new Bundle(manifest, read);
}

/** What `openBundle` returns: `manifest`, as docs/bundle.md tells, and the files that it lists. */
export class Bundle {
  #read;

  constructor(manifest, read) {
    this.manifest = manifest;
    this.#read = read;
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
