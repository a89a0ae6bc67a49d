// Look at the site in a browser: node tools/look.cjs build/site build/screenshots
//
// Each page is opened at three sizes, light and dark. What fails: an error in a page, one that is wider than the window, and a
// serious or critical finding of axe-core, which looks at each page on a desktop, and at some of each kind at all
// sizes. Needs chromium, and npm's playwright-core and axe-core where NODE_PATH finds them. With PYODIDE in the environment the page Try it is used as a visitor does.

const fs = require("fs");
const http = require("http");
const path = require("path");
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [site, screenshots] = process.argv.slice(2).map((name) => path.resolve(name));
const SIZES = { phone: [390, 844], tablet: [820, 1180], desktop: [1440, 900] };
const SHOWN = ["index", "try", "gallery", "lessons/1_chain_rule", "reference/minigrad.ops.elementwise", "kinks", "gallery/2_wrong"];
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml",
  ".wasm": "application/wasm", ".json": "application/json" };

function served(folder) {
  const server = http.createServer((request, response) => {
    const file = path.join(folder, decodeURIComponent(new URL(request.url, "http://x").pathname));
    fs.readFile(file, (error, data) => {
      response.writeHead(error ? 404 : 200, { "content-type": TYPES[path.extname(file)] ?? "application/octet-stream" });
      response.end(error ? "" : data);
    });
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

function pages(folder, inside = "") {
  return fs.readdirSync(path.join(folder, inside), { withFileTypes: true }).flatMap((entry) => {
    const name = path.posix.join(inside, entry.name);
    if (entry.isDirectory()) return /^(_|pyodide|wheels)/.test(entry.name) ? [] : pages(folder, name);
    return name.endsWith(".html") ? [name.slice(0, -5)] : [];
  });
}

async function main() {
  fs.mkdirSync(screenshots, { recursive: true });
  const server = await served(site);
  const address = `http://127.0.0.1:${server.address().port}/`;
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  const said = new Set();
  const wrong = { push: (finding) => said.has(finding) || (said.add(finding), console.log(finding)) };
  let looked = 0;
  if (process.env.PYODIDE) await tried(browser, address, wrong);
  const context = await browser.newContext({ bypassCSP: true });
  const tab = await context.newPage();
  let name;
  tab.on("pageerror", (error) => wrong.push(`${name}: ${error.message}`));
  tab.on("requestfailed", (request) => wrong.push(`${name}: ${request.url()} failed`));
  tab.on("response", (response) => response.status() >= 400 && wrong.push(`${name}: ${response.url()} is missing`));
  for (name of pages(site)) {
    await tab.goto(`${address}${name}.html`, { waitUntil: "load" });
    for (const [size, [width, height]] of Object.entries(SIZES)) {
      await tab.setViewportSize({ width, height });
      const over = await tab.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      if (over > 1) wrong.push(`${name}, ${size}: ${over} pixels wider than the window`);
      for (const colorScheme of ["light", "dark"]) {
        await tab.emulateMedia({ colorScheme });
        const look = `${size}-${colorScheme}`;
        if (SHOWN.includes(name)) await tab.screenshot({ path: path.join(screenshots, `${name.replace("/", "_")}-${look}.png`) });
        else if (size !== "desktop") continue; // what axe-core sees there is what it sees on the pages that are shown
        await tab.evaluate(axe);
        const { violations } = await tab.evaluate(() => axe.run({ iframes: false, resultTypes: ["violations"] }));
        for (const { id, impact, nodes } of violations)
          if (["serious", "critical"].includes(impact))
            wrong.push(`${name}, ${look}: ${impact}, ${id}, ${nodes.length} times: ${nodes[0].html.slice(0, 120)}`);
        looked += 1;
      }
    }
  }
  await browser.close();
  server.close();
  console.log(`${looked} looks, ${said.size} findings`);
  process.exitCode = said.size ? 1 : 0;
}

// The wrong backward is named, and the mended one is right.
async function tried(browser, address, wrong) {
  const tab = await browser.newPage();
  await tab.goto(`${address}try.html`);
  const verdict = async () => {
    await tab.click("#check");
    await tab.waitForFunction(() => !document.getElementById("check").disabled, null, { timeout: 300000 });
    return (await tab.textContent("#verdict")) + (await tab.textContent("#state"));
  };
  const first = await verdict();
  if (!first.includes("divide by the number of entries")) wrong.push(`Try it, as it is: ${first}`);
  await tab.screenshot({ path: path.join(screenshots, "try-verdict.png"), fullPage: true });
  await tab.fill("#code", (await tab.inputValue("#code")).replace("2 / len(yhat)", "2 / yhat.size"));
  const second = await verdict();
  if (!second.startsWith("check of MSE: ok")) wrong.push(`Try it, mended: ${second}`);
  await tab.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
