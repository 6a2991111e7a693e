// Stands in for Node's fs in a browser, where sentencepiece-js is given a model and reads no file.

export function readFileSync(path) {
  throw new Error(`A browser reads no file by its path. Received: ${path}.`);
}
