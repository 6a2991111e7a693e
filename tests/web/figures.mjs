#!/usr/bin/env node
// Prints the figures of docs/onnx_elsewhere.md: what a visit of a built page sends, how long it takes, whether
// the page waits. In a copy of this folder, after `npm ci --ignore-scripts`:
//
//     node figures.mjs SITE [--chromium /usr/bin/chromium] [--text "A sentence that it knows."]

import { gzipSync } from "node:zlib";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { Browser, lines, settled, status, translated, violations } from "./browser.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    chromium: { type: "string", default: "/usr/bin/chromium" },
    text: { type: "string", default: "The little girl is eating an apple." },
  },
});
const [site] = positionals;
const megabytes = (bytes) => (bytes / 1e6).toFixed(2);
const runtimes = await readdir(join(site, "runtimes"));

/** Returns seconds from opening the page to its first translation. */
async function firstTranslation(page, address) {
  const start = performance.now();
  await page.goto(address);
  await page.waitForSelector("#rows .to", { timeout: 120_000 });
  return (performance.now() - start) / 1000;
}

async function figures(browser, runtime, quantization) {
  const query = new URLSearchParams({ runtime, quantization, text: values.text });
  const address = `${browser.address}?${query}`;
  const page = await (await browser.opened.newContext()).newPage();
  browser.sent = 0;
  const first = await firstTranslation(page, address);
  const sent = browser.sent;
  browser.sent = 0;
  const again = await firstTranslation(page, address);
  const sentAgain = browser.sent;
  await page.context().setOffline(true);
  const offline = await firstTranslation(page, address);
  await page.evaluate(() => {
    globalThis.tasks = [0];
    const observer = new PerformanceObserver((list) => {
      globalThis.tasks.push(...list.getEntries().map(({ duration }) => duration));
    });
    observer.observe({ entryTypes: ["longtask"] });
  });
  await settled(page);
  const start = performance.now();
  const shown = await translated(page, Array(200).fill(values.text).join("\n"));
  const all = (performance.now() - start) / 1000;
  if (shown.length !== 200) throw new Error(`${shown.length} lines: ${await status(page)}`);
  const longest = await page.evaluate(() => Math.max(...globalThis.tasks));
  await page.context().close();
  return [
    ...[runtime, quantization, megabytes(sent), megabytes(sentAgain)],
    ...[first.toFixed(1), again.toFixed(1), offline.toFixed(1), all.toFixed(1), longest.toFixed(0)],
  ];
}

const browser = await Browser.open(site, values.chromium);
const names = ["runtime", "weights", "first visit, MB", "again, MB", "first, s", "again, s", "offline, s"];
const head = [...names, "200 lines, s", "longest wait of the page, ms"];
const rows = [];
for (const runtime of runtimes) {
  for (const quantization of ["smallest", "float32"]) rows.push(await figures(browser, runtime, quantization));
}
for (const row of [head, head.map(() => "---"), ...rows]) console.log(`| ${row.join(" | ")} |`);

const page = await browser.page("");
await translated(page, values.text);
console.log(`\naxe-core: ${(await violations(page)).length} violations; line: ${(await lines(page))[0]}`);
await browser.close();

const own = (await readdir(site)).filter((name) => /\.(mjs|js|css|html)$/.test(name));
const contents = await Promise.all(own.map((name) => readFile(join(site, name))));
const sum = (sizes) => megabytes(sizes.reduce((all, size) => all + size, 0));
console.log(
  `page: ${own.length} files, ${sum(contents.map(({ length }) => length))} MB, ` +
    `${sum(contents.map((content) => gzipSync(content).length))} MB gzipped`,
);
