// Uses the page of `keras-seq2seq serve`, and prints what it showed: {"address", "chromium", "text"} on
// standard input. The server takes at most 500 characters.

import { chromium } from "playwright-core";

import { violations } from "./browser.mjs";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { address, chromium: executablePath, text } = JSON.parse(Buffer.concat(chunks).toString());
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });

async function open(options = {}) {
  // Its policy lets no script in but its own, axe neither.
  const context = await browser.newContext({ bypassCSP: true, ...options });
  const page = await context.newPage();
  await page.goto(address);
  await page.waitForFunction(() => document.title !== "Translate");
  return page;
}

/** Translates by the keyboard and returns what the page shows. */
async function translated(page, given) {
  await page.fill("#q", given);
  await page.focus("#q");
  await page.keyboard.press("Control+Enter");
  await page.waitForFunction(() => !/^$|…/.test(document.getElementById("status").textContent));
  return shown(page);
}

async function shown(page) {
  return { answer: await page.textContent("#answer"), status: await page.textContent("#status") };
}

const page = await open();
const found = {
  title: await page.title(),
  codes: [await page.getAttribute("#q", "lang"), await page.getAttribute("#answer", "lang")],
  translated: await translated(page, text),
  long: await translated(page, "dog ".repeat(200)),
  again: await translated(page, text),
};
await page.context().setOffline(true);
found.offline = await translated(page, text);
await page.context().setOffline(false);
await page.route("**/translate", (route) => route.fulfill({ status: 502, body: "<h1>Bad gateway</h1>" }));
found.proxy = await translated(page, text);

const phone = await open({ viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true });
await translated(phone, "dog".repeat(100));
found.phone = await phone.evaluate(() => document.documentElement.scrollWidth);
found.violations = [await violations(page), await violations(phone)].flat();
const dark = await open({ colorScheme: "dark" });
await translated(dark, text);
found.violations.push(...(await violations(dark)));
await browser.close();
console.log(JSON.stringify(found));
