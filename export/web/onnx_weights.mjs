// Puts the weights that several ONNX files share into one of them: runtimes that are given bytes, not a path,
// find no weights elsewhere that belong to the body of a loop.

import { BYTES, fields, varint } from "./protobuf.mjs";

// The fields of onnx.proto that lead to tensors, by the message that has them.
const INSIDE = {
  model: { 7: "graph" },
  graph: { 1: "node", 5: "tensor" },
  node: { 5: "attribute" },
  attribute: { 6: "graph", 11: "graph" },
};
const RAW_DATA = 9;
const EXTERNAL_DATA = 13;
const DATA_LOCATION = 14;

/**
 * Returns an ONNX file that holds its weights.
 *
 * @param {Uint8Array} file An ONNX file.
 * @param {Uint8Array} weights The file of weights that it reads.
 * @returns {Uint8Array}
 */
export function withWeights(file, weights) {
  const parts = message(file, "model", weights);
  const whole = new Uint8Array(size(parts));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}

/** Returns the content of a message in parts, with the weights of its tensors. */
function message(bytes, kind, weights) {
  if (kind === "tensor") return tensor(bytes, weights);
  const parts = [];
  for (const { number, wire, start, end, whole } of fields(bytes)) {
    const inside = wire === BYTES ? INSIDE[kind][number] : undefined;
    if (!inside) {
      parts.push(whole);
      continue;
    }
    const content = message(bytes.subarray(start, end), inside, weights);
    parts.push(varint((number << 3) | BYTES), varint(size(content)), ...content);
  }
  return parts;
}

function tensor(bytes, weights) {
  const kept = [];
  const place = {};
  for (const { number, start, end, whole } of fields(bytes)) {
    if (number === EXTERNAL_DATA) {
      const entry = [...fields(bytes.subarray(start, end))];
      const [key, value] = [1, 2].map((which) => {
        const field = entry.find((one) => one.number === which);
        return new TextDecoder().decode(bytes.subarray(start + field.start, start + field.end));
      });
      place[key] = value;
    } else if (number !== DATA_LOCATION) {
      kept.push(whole);
    }
  }
  if (!("location" in place)) return [bytes];
  const offset = Number(place.offset);
  const data = weights.subarray(offset, offset + Number(place.length));
  return [...kept, varint((RAW_DATA << 3) | BYTES), varint(data.length), data];
}

function size(parts) {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
