// Reads what lies at a URL, and tells how far it is.

/**
 * @param {string|URL} url
 * @param {(count: number, total: number) => void} [onBytes] Gets the bytes that arrived since the last call,
 *     and how many there will be, or 0 if the server does not say.
 * @param {RequestCache} [cache]
 * @returns {Promise<Uint8Array>}
 * @throws {Error} If it does not answer, or has no such file.
 */
export async function fetched(url, onBytes, cache = "default") {
  let response;
  try {
    response = await fetch(url, { cache });
  } catch (error) {
    throw new Error(`${url} does not answer (${error.message}); look at the network, then try again.`);
  }
  if (!response.ok) {
    throw Object.assign(new Error(`${url}: ${response.status} ${response.statusText}`), { status: response.status });
  }
  return content(response, onBytes);
}

/**
 * Returns the body of a response, and tells of each part as it arrives.
 *
 * @param {Response} response
 * @param {(count: number, total: number) => void} [onBytes]
 * @returns {Promise<Uint8Array>}
 */
export async function content(response, onBytes = () => {}) {
  const total = Number(response.headers.get("Content-Length") ?? 0);
  const parts = [];
  let length = 0;
  for (const body = response.body.getReader(); ; ) {
    const { done, value } = await body.read();
    if (done) break;
    parts.push(value);
    length += value.length;
    onBytes(value.length, total);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
