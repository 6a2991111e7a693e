// Uses the page as people do, and prints what it showed: {"folder", "browser", "texts"} on standard input.
// The folder holds sites: "gru" with a beam search, "plain", "transformer" without languages,
// "altered", "updated"; and "new_bundle".

import { rm, rename } from "node:fs/promises";
import { join } from "node:path";

import { Browser, lines, put, settled, status, translated, violations } from "./browser.mjs";

const PHONE = { viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true };
const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { folder, browser: executable, texts } = JSON.parse(Buffer.concat(chunks).toString());
const browser = await Browser.open(folder, executable);
const text = texts.join("\n");

const CHECKS = {
  async languages() {
    const page = await browser.page("gru/");
    const attribute = (selector) => page.getAttribute(selector, "lang");
    await translated(page, texts[0]);
    return {
      title: await page.title(),
      labels: [await page.textContent("#source-label"), await page.textContent("#target-label")],
      codes: [await attribute("#source"), await attribute("#rows .from"), await attribute("#rows .to")],
      without: await (await browser.page("transformer/")).title(),
    };
  },

  async keyboard() {
    const page = await browser.page("gru/");
    await page.keyboard.type(texts[0]); // the field has the focus
    await page.keyboard.press("Control+Enter");
    await settled(page);
    const found = { line: (await lines(page))[0], pairs: [] };
    for (let tabs = 0; tabs < 10 && !(await page.evaluate(() => document.activeElement.matches(".to"))); tabs++) {
      await page.keyboard.press("Tab");
    }
    for (let word = 0; word < 3; word++) {
      await page.keyboard.press("ArrowRight");
      found.pairs.push([await page.locator(".linked").allTextContents(), await page.textContent("#pair")]);
    }
    return found;
  },

  async pointer() {
    const page = await browser.page("gru/");
    await translated(page, texts[0]);
    await page.hover("#rows .to .word");
    const linked = await page.locator(".linked").allTextContents();
    await page.hover("h1");
    return { linked, after: await page.locator(".linked").count() };
  },

  async runtimes() {
    const found = {};
    for (const [name, query] of Object.entries({
      onnx: "gru/",
      "onnx float32": "gru/?quantization=float32",
      "onnx beam": "gru/?quantization=float32&search=beam",
      litert: "gru/?runtime=litert",
      "litert beam": "gru/?runtime=litert&quantization=float32&search=beam",
      "plain onnx": "plain/",
      "plain litert": "plain/?runtime=litert",
    })) {
      const page = await browser.page(query);
      found[name] = {
        lines: await translated(page, text),
        about: await page.textContent("#about"),
        others: await page.locator("#rows details .other").allTextContents(),
        errors: page.errors,
      };
      await page.context().close();
    }
    return found;
  },

  async errors() {
    const found = {};
    for (const query of ["gru/?quantization=int3", "gru/?runtime=tflite", "gru/?bundle=none/", "altered/"]) {
      const page = await browser.page(query);
      found[query] = { status: await status(page), disabled: await page.isDisabled("#translate") };
    }
    const page = await browser.page("gru/?runtime=litert");
    await translated(page, "dog ".repeat(100));
    found.long = { status: await status(page), disabled: await page.isDisabled("#translate") };
    found.after = await translated(page, texts[0]);
    await translated(page, "  \n");
    found.empty = await status(page);
    return found;
  },

  async copy() {
    const page = await browser.page("gru/", { permissions: ["clipboard-read", "clipboard-write"] });
    const shown = await translated(page, text);
    await page.click("#copy");
    await page.waitForFunction(() => document.getElementById("status").textContent === "Copied.");
    return { shown, copied: await page.evaluate(() => navigator.clipboard.readText()) };
  },

  async long() {
    const page = await browser.page("gru/");
    await page.evaluate(() => {
      globalThis.tasks = [0];
      const observer = new PerformanceObserver((list) => {
        globalThis.tasks.push(...list.getEntries().map(({ duration }) => duration));
      });
      observer.observe({ entryTypes: ["longtask"] });
    });
    const many = Array.from({ length: 200 }, (_, i) => texts[i % texts.length]);
    await put(page, many.join("\n"));
    const started = performance.now();
    await page.click("#translate");
    await settled(page);
    const shown = await lines(page);
    await put(page, [...many, ...many, ...many].join("\n"));
    await page.click("#translate");
    await page.waitForSelector("#rows li");
    await page.click("#stop");
    await settled(page);
    const stopped = { status: await status(page), lines: (await lines(page)).length };
    const took = performance.now() - started;
    const longest = await page.evaluate(() => Math.max(...globalThis.tasks));
    return { shown, stopped, blocked: longest / took };
  },

  async phone() {
    const page = await browser.page("gru/", PHONE);
    await translated(page, `${texts[0]}\n${"dog".repeat(100)}`);
    await page.click("summary");
    const sizes = await page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      const buttons = [...document.querySelectorAll("button:not([hidden]), select")];
      return { scrollWidth, clientWidth, lowest: Math.min(...buttons.map((one) => one.offsetHeight)) };
    });
    return { ...sizes, violations: await violations(page) };
  },

  async accessibility() {
    const found = {};
    for (const colorScheme of ["light", "dark"]) {
      const page = await browser.page("gru/?search=beam", { colorScheme });
      found[`${colorScheme} empty`] = await violations(page);
      await translated(page, text);
      await page.hover("#rows .to .word");
      for (const summary of await page.locator("summary").all()) await summary.click();
      found[`${colorScheme} used`] = await violations(page);
      const broken = await browser.page("gru/?quantization=int3", { colorScheme });
      found[`${colorScheme} error`] = await violations(broken);
    }
    return found;
  },

  async offline() {
    const found = {};
    for (const query of ["gru/", "gru/?runtime=litert"]) {
      const page = await browser.page(query);
      const ready = await status(page);
      const before = await translated(page, text);
      await page.context().setOffline(true);
      await page.goto(`${browser.address}${query}`);
      await settled(page);
      found[query] = { ready, before, after: await translated(page, text) };
    }
    return found;
  },

  // The last one: it changes the folder.
  async update() {
    const page = await browser.page("updated/");
    const before = await translated(page, text);
    const keys = () => page.evaluate(async () => (await (await caches.open("keras_seq2seq bundles")).keys()).length);
    const kept = await keys();
    await rm(join(folder, "updated", "bundle"), { recursive: true });
    await rename(join(folder, "new_bundle"), join(folder, "updated", "bundle"));
    await page.reload();
    await settled(page);
    return { before, kept, after: await translated(page, text), keptAfter: await keys() };
  },
};

const found = {};
for (const [name, check] of Object.entries(CHECKS)) {
  try {
    found[name] = await check();
  } catch (error) {
    found[name] = { failed: String(error.stack) };
  }
  for (const context of browser.opened.contexts()) await context.close();
}
await browser.close();
console.log(JSON.stringify(found));
