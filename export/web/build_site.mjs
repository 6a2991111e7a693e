#!/usr/bin/env node
// Writes the page with what it needs of a bundle and of its runtimes into a folder that any web server can
// serve, below any path:
//
//     node build_site.mjs BUNDLE SITE [--runtime onnx litert] [--plain]

import { cp, mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";

const KIT = dirname(fileURLToPath(import.meta.url));
const PACKAGES = join(KIT, "node_modules");
// What is copied of each runtime; WebAssembly is compressed, since not every server does that.
const RUNTIMES = {
  onnx: {
    folder: "onnxruntime-web/dist",
    files: ["ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"],
  },
  litert: {
    folder: "@litertjs/core",
    files: ["litert_wasm_internal", "litert_wasm_compat_internal"].flatMap((name) => [
      `wasm/${name}.js`,
      `wasm/${name}.wasm`,
    ]),
  },
};
// Of the functions of a bundle, those that the page runs.
const NEEDED = /^(translate(_greedy|_beam)?|weights)$/;

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      runtime: { type: "string", multiple: true },
      plain: { type: "boolean", default: false },
    },
  });
  const [bundle, site, ...more] = positionals;
  if (!site || more.length) {
    throw new Error(`There must be a bundle and a folder to write. Received: ${JSON.stringify(positionals)}.`);
  }
  const left = await readdir(site).catch(() => []);
  if (left.length) throw new Error(`The folder must be new or empty. Received: ${site} with ${left.length} entries.`);
  const manifest = JSON.parse(await readFile(join(bundle, "manifest.json"), "utf8"));
  const there = Object.keys(RUNTIMES).filter((name) => manifest.artefacts[name]);
  const asked = values.runtime ?? there;
  if (!asked.length || !asked.every((name) => there.includes(name))) {
    throw new Error(`--runtime must be of those that the bundle has, of ${there}. Received: ${asked}.`);
  }
  const partial = `${site}.partial`;
  await rm(partial, { recursive: true, force: true });
  try {
    await copyPage(partial);
    for (const name of asked) await copyRuntime(name, join(partial, "runtimes", name), values.plain);
    await copyBundle(manifest, asked, bundle, join(partial, "bundle"));
    await rm(site, { recursive: true, force: true });
    await rename(partial, site);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
}

async function copyPage(site) {
  const source = await readFile(join(KIT, "service_worker.js"), "utf8");
  const listed = source.slice(source.indexOf("const PAGE"), source.indexOf("];"));
  const files = [...listed.matchAll(/"([\w./]+)"/g)].map(([, name]) => name).filter((name) => name !== "./");
  await mkdir(site, { recursive: true });
  for (const name of ["index.html", "service_worker.js", ...files]) await cp(join(KIT, name), join(site, name));
}

async function copyRuntime(name, target, plain) {
  const { folder, files } = RUNTIMES[name];
  await mkdir(target, { recursive: true });
  for (const file of files) {
    const content = await readFile(join(PACKAGES, folder, file)).catch(() => {
      throw new Error(`The packages must be installed. Received: no ${folder}/${file}; run \`npm ci --ignore-scripts\`.`);
    });
    const flat = join(target, file.split("/").at(-1));
    const pack = file.endsWith(".wasm") && !plain;
    await writeFile(pack ? `${flat}.gz` : flat, pack ? gzipSync(content, { level: 9 }) : content);
  }
  if (name !== "litert") return;
  // A worker has no import map, so what the package imports by its name gets a path.
  const script = await readFile(join(PACKAGES, "@litertjs/core/dist/index.js"), "utf8");
  await writeFile(join(target, "index.js"), script.replace('"@litertjs/wasm-utils"', '"./wasm_utils.js"'));
  await cp(join(PACKAGES, "@litertjs/wasm-utils/dist/index.js"), join(target, "wasm_utils.js"));
}

/** Copies what the page reads, with a manifest that lists no more. */
async function copyBundle(manifest, runtimes, bundle, target) {
  const artefacts = {};
  const names = new Set(Object.values(manifest.tokenizer));
  for (const name of runtimes) {
    const { path, files, ...rest } = manifest.artefacts[name];
    const kept = Object.entries(files).map(([quantization, functions]) => [
      quantization,
      Object.fromEntries(Object.entries(functions).filter(([key]) => NEEDED.test(key))),
    ]);
    artefacts[name] = { path, files: Object.fromEntries(kept), ...rest };
    for (const [, functions] of kept) for (const file of Object.values(functions)) names.add(`${path}/${file}`);
  }
  const files = Object.fromEntries([...names].map((name) => [name, manifest.files[name]]));
  for (const name of names) await cp(join(bundle, name), join(target, name));
  await writeFile(join(target, "manifest.json"), JSON.stringify({ ...manifest, artefacts, files }));
}

main().catch((error) => {
  console.error(`build_site: ${error.message}`);
  process.exitCode = 1;
});
