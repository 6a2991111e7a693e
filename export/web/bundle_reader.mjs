// Reads the files of a bundle: from a folder in Node, from a URL, or from what a browser kept of that URL.

import { content, fetched } from "./download.mjs";

const KEPT = "keras_seq2seq bundles";

/**
 * Reads files by their names.
 *
 * @typedef {object} Files
 * @property {() => Promise<Uint8Array>} manifest
 * @property {(name: string, sha256: string, onBytes: (count: number) => void) => Promise<Uint8Array>} read
 *     `onBytes` gets the bytes that arrived since the last call.
 * @property {(name: string, sha256: string, bytes: Uint8Array) => Promise<void>} keep
 * @property {(sha256s: string[]) => Promise<void>} forgetAllBut Forgets kept files of other versions.
 */

/**
 * @param {string|URL} location Folder (Node), or URL of the folder.
 * @param {boolean} keep Whether to keep files in the browser.
 * @returns {Promise<Files>}
 */
export async function reader(location, keep) {
  if (!(location instanceof URL) && !/^[a-z]+:\/\//i.test(location)) return inFolder(location);
  const folder = new URL(location);
  if (!folder.pathname.endsWith("/")) folder.pathname += "/";
  const urlOf = (name) => new URL(name.split("/").map(encodeURIComponent).join("/"), folder);
  // There are none on http, but on localhost.
  const kept = keep && globalThis.caches ? await caches.open(KEPT) : null;
  return kept ? keeping(urlOf, kept, folder) : atUrl(urlOf);
}

/** @returns {Files} */
function inFolder(folder) {
  const read = async (name) => {
    const { readFile } = await import("node:fs/promises");
    return new Uint8Array(await readFile(`${folder}/${name}`));
  };
  return {
    manifest: () => read("manifest.json"),
    read: async (name, sha256, onBytes) => {
      const bytes = await read(name);
      onBytes(bytes.length);
      return bytes;
    },
    keep: async () => {},
    forgetAllBut: async () => {},
  };
}

/** @returns {Files} */
function atUrl(urlOf) {
  return {
    manifest: () => fetched(urlOf("manifest.json")),
    read: (name, sha256, onBytes) => fetched(urlOf(name), onBytes),
    keep: async () => {},
    forgetAllBut: async () => {},
  };
}

/**
 * Keeps a file under its URL and SHA-256, so that files of two versions are never mixed. What is kept here
 * is fetched with "no-store", and service_worker.js leaves that alone.
 *
 * @returns {Files}
 */
function keeping(urlOf, kept, folder) {
  const keyOf = (name, sha256) => {
    const key = urlOf(name);
    key.searchParams.set("sha256", sha256);
    return key.href;
  };
  return {
    manifest: async () => {
      const url = urlOf("manifest.json");
      try {
        const bytes = await fetched(url, undefined, "no-store");
        await kept.put(url, new Response(bytes));
        return bytes;
      } catch (error) {
        const before = await kept.match(url);
        if (!before) throw error;
        return content(before);
      }
    },
    read: async (name, sha256, onBytes) => {
      const before = await kept.match(keyOf(name, sha256));
      return before ? content(before, onBytes) : fetched(urlOf(name), onBytes, "no-store");
    },
    keep: async (name, sha256, bytes) => {
      const key = keyOf(name, sha256);
      if (await kept.match(key)) return;
      // Where there is no room left, the next visit reads it from the network again.
      await kept.put(key, new Response(bytes)).catch(() => {});
    },
    forgetAllBut: async (sha256s) => {
      for (const { url } of await kept.keys()) {
        const sha256 = new URL(url).searchParams.get("sha256");
        if (url.startsWith(folder.href) && sha256 && !sha256s.includes(sha256)) await kept.delete(url);
      }
    },
  };
}
