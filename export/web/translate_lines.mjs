#!/usr/bin/env node
// Translates standard input, UTF-8, to one line for each line:
//
//     node translate_lines.mjs BUNDLE [--runtime node|web] [--search greedy|beam|steps]
//         [--quantization float32] [--json] [--batch-size 32] [--num-threads 1] < source.txt > translations.txt

import { parseArgs } from "node:util";

import { openTranslator } from "./translate.mjs";

const PACKAGES = { node: "onnxruntime-node", web: "onnxruntime-web" };
const OPTIONS = {
  runtime: { type: "string", default: "node" },
  search: { type: "string", default: "greedy" },
  quantization: { type: "string", default: "float32" },
  json: { type: "boolean", default: false },
  "batch-size": { type: "string", default: "32" },
  "num-threads": { type: "string", default: "1" },
};

async function main() {
  const { values, positionals } = parseArgs({ options: OPTIONS, allowPositionals: true });
  if (positionals.length !== 1 || !Object.hasOwn(PACKAGES, values.runtime)) {
    throw new Error(
      `There must be one bundle, and --runtime must be one of ${Object.keys(PACKAGES)}. ` +
        `Received: bundles ${JSON.stringify(positionals)}, runtime ${values.runtime}.`,
    );
  }
  const ort = await import(PACKAGES[values.runtime]);
  const numThreads = Number(values["num-threads"]);
  ort.env.wasm.numThreads = numThreads;
  const translator = await openTranslator(positionals[0], ort, {
    search: values.search,
    quantization: values.quantization,
    sessionOptions: { intraOpNumThreads: numThreads },
  });
  const lines = await standardInput();
  const batchSize = Number(values["batch-size"]);
  for (let start = 0; start < lines.length; start += 1024) {
    const found = await translator.translate(lines.slice(start, start + 1024), { batchSize });
    const printed = found.map((hypotheses, i) =>
      values.json
        ? JSON.stringify({ source: lines[start + i], hypotheses })
        : hypotheses[0].text.replace(/[\r\n]/g, " "),
    );
    process.stdout.write(`${printed.join("\n")}\n`);
  }
}

/** Returns the lines; only \n ends one, and one \r before it is removed. */
async function standardInput() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  const text = new TextDecoder().decode(Buffer.concat(chunks));
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

main().catch((error) => {
  console.error(`translate_lines: ${error.message}`);
  process.exitCode = 1;
});
