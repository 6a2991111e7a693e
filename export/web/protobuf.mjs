// The wire format of protobuf, in which ONNX files and SentencePiece models are written.

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2; // messages, texts and bytes
export const FIXED32 = 5;

/**
 * Yields the fields of a message.
 *
 * @param {Uint8Array} bytes
 * @returns {Generator<{number: number, wire: number, value: number, start: number, end: number, whole: Uint8Array}>}
 *     `value` is that of a varint; the content lies from `start` to `end`; `whole` has number and length too.
 * @throws {Error} If it is no message, or ends too early.
 */
export function* fields(bytes) {
  let at = 0;
  const read = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      if (at >= bytes.length) throw new Error("A protobuf message must be whole. Received: one that was cut.");
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const first = at;
    const tag = read();
    const [number, wire] = [Math.floor(tag / 8), tag % 8];
    let start = at;
    let value = 0;
    if (wire === BYTES) {
      const length = read();
      start = at;
      at += length;
    } else if (wire === VARINT) value = read();
    else if (wire === FIXED64) at += 8;
    else if (wire === FIXED32) at += 4;
    else throw new Error(`A file must be a protobuf message. Received: wire type ${wire}.`);
    if (at > bytes.length) throw new Error("A protobuf message must be whole. Received: one that was cut.");
    yield { number, wire, value, start, end: at, whole: bytes.subarray(first, at) };
  }
}

/** @param {number} number @returns {Uint8Array} */
export function varint(number) {
  const bytes = [];
  for (; number > 127; number = Math.floor(number / 128)) bytes.push((number % 128) + 128);
  return Uint8Array.from([...bytes, number]);
}
