// Opens pages of a folder in a real Chromium or Firefox, from a server that counts what it sends.

import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";

import { chromium, firefox } from "playwright-core";

const TYPES = {
  ".css": "text/css",
  ".gz": "application/gzip",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".json": "application/json",
  ".mjs": "text/javascript",
  ".wasm": "application/wasm",
};
const IS_SETTLED = () => {
  const status = document.getElementById("status");
  return status.classList.contains("error") || !/^(Loading|Translating)/.test(status.textContent);
};

/** A browser, and a server of a folder. */
export class Browser {
  /** @param {string} folder @param {string} executablePath */
  static async open(folder, executablePath) {
    const browser = new Browser();
    browser.sent = 0;
    browser.server = createServer((request, response) => browser.#answer(folder, request, response));
    await new Promise((resolve) => browser.server.listen(0, "127.0.0.1", resolve));
    browser.address = `http://localhost:${browser.server.address().port}/`;
    browser.opened = executablePath.includes("firefox")
      ? await firefox.launch({ executablePath, channel: "moz-firefox" }) // by WebDriver BiDi, as the stock browser has it
      : await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
    return browser;
  }

  async #answer(folder, request, response) {
    let path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    if (path.endsWith("/")) path += "index.html";
    try {
      const content = await readFile(join(folder, normalize(path)));
      const ETag = `"${createHash("sha256").update(content).digest("hex")}"`;
      if (request.headers["if-none-match"] === ETag) {
        response.writeHead(304, { ETag }).end();
        return;
      }
      this.sent += content.length;
      const type = TYPES[extname(path)] ?? "application/octet-stream";
      response.writeHead(200, { "Content-Type": type, "Content-Length": content.length, ETag });
      response.end(content);
    } catch {
      response.writeHead(404).end();
    }
  }

  /** Opens a page with storage of its own, and waits until it is ready or tells an error. */
  async page(path, options = {}) {
    const context = await this.opened.newContext(options);
    const page = await context.newPage();
    page.errors = [];
    page.on("pageerror", (error) => page.errors.push(error.message));
    await page.goto(this.address + path);
    await settled(page);
    return page;
  }

  async close() {
    await this.opened.close();
    this.server.close();
  }
}

/** Waits until the page is neither loading nor translating. */
export async function settled(page) {
  await page.waitForFunction(IS_SETTLED, null, { timeout: 120_000 });
}

/** Translates a text and returns the lines that the page shows. */
export async function translated(page, text) {
  await page.fill("#source", text);
  await page.click("#translate");
  await settled(page);
  return lines(page);
}

/** Puts a text into the field at once: WebDriver takes minutes to type 200 lines. */
export async function put(page, text) {
  await page.locator("#source").evaluate((field, value) => {
    field.value = value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }, text);
}

export function lines(page) {
  return page.locator("#rows .to").allTextContents();
}

export function status(page) {
  return page.textContent("#status");
}

/** Returns what axe-core finds wrong with a page: the rules, and the elements. */
export async function violations(page) {
  await page.addScriptTag({ path: new URL("node_modules/axe-core/axe.min.js", import.meta.url).pathname });
  const { violations: found } = await page.evaluate(() => globalThis.axe.run());
  return found.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(" ")}`);
}
