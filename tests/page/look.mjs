// Looks at a page: node look.mjs CHROMIUM AXE PAGE [PICTURES]. Speaks the protocol of the browser's tools over a pipe, so it needs no package.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [chromium, axe, page, pictures] = process.argv.slice(2);
const home = mkdtempSync(join(tmpdir(), "mcspec-page-"));
const browser = spawn(
  chromium,
  ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions", "--disable-background-networking",
   "--hide-scrollbars", `--user-data-dir=${home}`, "--remote-debugging-pipe", "about:blank"],
  { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
);
const waiting = new Map();
const listeners = new Set();
let last = 0;
let rest = "";
browser.stdio[4].setEncoding("utf8").on("data", (text) => {
  const messages = (rest + text).split("\0");
  rest = messages.pop();
  for (const message of messages.map((one) => JSON.parse(one))) {
    if (waiting.has(message.id)) {
      const { done, fail } = waiting.get(message.id);
      waiting.delete(message.id);
      message.error ? fail(new Error(message.error.message)) : done(message.result);
    } else {
      listeners.forEach((listener) => listener(message));
    }
  }
});
const send = (method, params = {}, sessionId = undefined) => new Promise((done, fail) => {
  waiting.set(++last, { done, fail });
  browser.stdio[3].write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
});
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const faults = [];
const expect = (holds, what) => { if (!holds) faults.push(what); };

async function look(theme, width) {
  const name = `${theme}, ${width} px`;
  const { targetId } = await send("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
  const tell = (method, params) => send(method, params, sessionId);
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await tell("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(`${exceptionDetails.text} ${exceptionDetails.exception?.description ?? ""}`);
    return result.value;
  };
  const address = pathToFileURL(resolve(page)).href;
  let loaded = () => {};
  const loads = new Promise((done) => { loaded = done; });
  const listener = ({ method, params, sessionId: of }) => {
    if (of !== sessionId) return;
    const url = params?.request?.url ?? "";
    if (method === "Network.requestWillBeSent") expect(url === address || url.startsWith("about:"), `${name}: it asks for ${url}`);
    if (method === "Runtime.exceptionThrown") faults.push(`${name}: ${params.exceptionDetails.exception?.description ?? params.exceptionDetails.text}`);
    if (method === "Log.entryAdded" && params.entry.level === "error") faults.push(`${name}: ${params.entry.text}`);
    if (method === "Page.loadEventFired") loaded();
  };
  listeners.add(listener);
  for (const domain of ["Page", "Network", "Runtime", "Log"]) await tell(`${domain}.enable`);
  await tell("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: width < 500 });
  await tell("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: theme }] });
  await tell("Performance.enable", { timeDomain: "threadTicks" });
  const started = performance.now();
  await tell("Page.navigate", { url: address });
  await loads;
  await evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))");
  const opened = performance.now() - started;
  // What it has to do for that: what others do on this machine in the meantime is not the page's.
  const { metrics } = await tell("Performance.getMetrics");
  const work = metrics.find((one) => one.name === "ThreadTime").value * 1000;
  const size = statSync(page).size / 1e6;
  console.log(`${name}: ${size.toFixed(2)} MB, open after ${Math.round(opened)} ms with ${Math.round(work)} ms of work`);
  expect(size < 5, `${name}: the page is larger than 5 MB`);
  expect(work < 1000, `${name}: the page takes ${Math.round(work)} ms to open`);

  if (pictures) {
    mkdirSync(pictures, { recursive: true });
    const { data } = await tell("Page.captureScreenshot", { format: "png" });
    writeFileSync(join(pictures, `page-${theme}-${width}.png`), Buffer.from(data, "base64"));
    if (theme === "light" && width > 500) {
      const { data } = await tell("Page.printToPDF", { printBackground: false });
      writeFileSync(join(pictures, "page.pdf"), Buffer.from(data, "base64"));
    }
  }
  const wide = await evaluate("document.documentElement.scrollWidth");
  expect(wide <= width, `${name}: the page is ${wide} px wide`);
  const number = (selector) => evaluate(`document.querySelectorAll(${JSON.stringify(selector)}).length`);
  expect(await number(".case") > 0, `${name}: there is no spec`);
  expect(await number("svg.chart .curve, svg.chart .bar") > 0, `${name}: there is no curve`);
  expect(await number(".flame .boxes li") > 1, `${name}: there is no flame graph`);
  // A box that is pressed is as wide as the graph; what stood beside it is gone until another is.
  const widths = await evaluate(`(() => {
    const graph = document.querySelector(".flame");
    graph.open = true;
    const boxes = [...graph.querySelectorAll("li[style]")].map((one) => one.querySelector("b"));
    const box = boxes.at(-1);
    const width = () => box.getBoundingClientRect().width;
    const before = width();
    box.click();
    const enlarged = width();
    graph.querySelector("b").click();
    graph.open = false;
    return [before, enlarged, graph.querySelectorAll("[hidden]").length];
  })()`);
  expect(widths[1] > widths[0] && widths[2] === 0, `${name}: a box of the flame graph is not enlarged: ${widths}`);
  const shown = () => number(".case:not([hidden])");
  const search = (text) => evaluate(`{ const field = document.getElementById("search"); field.value = ${JSON.stringify(text)};
    field.dispatchEvent(new Event("input")); }`);
  const all = await shown();
  await search("no such word anywhere");
  expect(await shown() === 0, `${name}: the search finds what is not there`);
  const first = await evaluate(`document.querySelector(".case").dataset.name`);
  await search(first);
  const found = await shown();
  expect(found > 0 && (found < all || all < 3), `${name}: the search for ${first} shows ${found} of ${all}`);
  await search("");
  expect(await shown() === all, `${name}: the search does not end`);
  // What is shared is put where it is opened.
  await evaluate(`document.querySelectorAll("details.case").forEach((one, at) => { if (at < 3) one.open = true; })`);
  await evaluate(`document.querySelectorAll(".case[open] details").forEach((one) => { one.open = true; })`);
  await pause(200);
  expect(await number(".case[open] details > a[href^='#at']") === 0, `${name}: what is opened stays empty`);
  expect(await number(".case[open] .again button") > 0, `${name}: a command cannot be copied`);
  // Only those that ended so.
  const outcome = await evaluate(`{ const one = document.querySelector("[data-outcome]"); one.click(); one.dataset.outcome }`);
  const number_of = await number(`.case[data-status="${outcome}"]`);
  expect(await shown() === number_of, `${name}: ${await shown()} are shown of ${number_of} that are ${outcome}`);
  await evaluate(`document.querySelector("[data-outcome]").click()`);
  await evaluate(`document.querySelector(".verdicts th.number:last-child button").click()`);
  const times = await evaluate(`[...document.querySelectorAll(".verdicts tbody tr")].map((row) => Number(row.lastChild.dataset.number))`);
  expect(times.every((time, at) => at === 0 || times[at - 1] <= time), `${name}: specs are not in the order of their times`);
  await evaluate(`location.hash = [...document.querySelectorAll(".case")].findLast((one) => one.querySelector(".scenario")).id + ":1"`);
  await pause(200);
  expect(await evaluate(`document.getElementById(location.hash.slice(1))?.checkVisibility() ?? false`), `${name}: a link to a scenario leads nowhere`);

  await evaluate(readFileSync(axe, "utf8") + "; 0");
  const violations = await evaluate(`axe.run(document, { iframes: false }).then((found) => found.violations.map((one) =>
    ({ id: one.id, impact: one.impact, help: one.help, nodes: one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)) })))`);
  for (const one of violations) {
    const text = `${name}: axe: ${one.impact}: ${one.id}: ${one.help}: ${one.nodes.join(" ")}`;
    if (one.impact === "serious" || one.impact === "critical") faults.push(text); else console.log(text);
  }
  if (pictures) {
    // Each kind of finding, once.
    if (theme === "light" && width > 500) await kinds(tell, evaluate);
  }
  listeners.delete(listener);
  await send("Target.closeTarget", { targetId });
}

// A picture of a part of the page, alone on it.
async function picture(tell, evaluate, name, choose) {
  const box = await evaluate(`(() => {
    const of = (${choose})();
    if (!of) return null;
    const main = document.createElement("main");
    main.append(of.cloneNode(true));
    document.body.replaceChildren(main);
    scrollTo(0, 0);
    return new Promise((done) => setTimeout(() => { const { x, y, width, height } = main.firstChild.getBoundingClientRect();
      done({ x: Math.max(0, x - 8), y: Math.max(0, y - 8), width: width + 16, height: Math.min(height, 1400) + 16, scale: 0.8 }); }, 300));
  })()`);
  if (!box) return;
  const { data } = await tell("Page.captureScreenshot", { format: "png", clip: box, captureBeyondViewport: true });
  writeFileSync(join(pictures, `${name}.png`), Buffer.from(data, "base64"));
}

// Each kind of finding, once; the rest of the page goes with the first.
async function kinds(tell, evaluate) {
  const all = await evaluate(`[...new Set([...document.querySelectorAll("[data-kind]")].map((one) => one.dataset.kind))]`);
  await evaluate(`window.whole = document.body.cloneNode(true); 0`);
  for (const kind of all) {
    await picture(tell, evaluate, kind, `() => {
      const all = [...whole.querySelectorAll('[data-kind="${kind}"]')];
      // The shortest, with lines of its source where there is one that has them.
      const length = (one) => one.innerHTML.length + ([...one.querySelectorAll(".place a")].some((link) => link.textContent === "source") ? 0 : 1e6);
      const of = all.map((one) => one.closest(".scenario")).sort((a, b) => length(a) - length(b))[0].cloneNode(true);
      of.querySelectorAll("details.place, details.trees").forEach((one, at) => {
        if (at > 0 && one.matches(".place")) return;
        one.querySelectorAll(":scope > a").forEach((link) => link.replaceWith(whole.querySelector(link.getAttribute("href")).cloneNode(true)));
        one.open = true;
      });
      return of;
    }`);
  }
  await picture(tell, evaluate, "permutation", `() => whole.querySelector("svg.steps .waited")?.closest("figure")`);
  await picture(tell, evaluate, "flame", `() => { const of = whole.querySelector(".flame"); if (of) of.open = true; return of; }`);
  await picture(tell, evaluate, "phases", `() => [...whole.querySelectorAll(".scenario")].find((one) => one.querySelector(":scope > .side svg"))`);
}

try {
  for (const theme of (process.env.THEMES ?? "light dark").split(" ")) for (const width of (process.env.WIDTHS ?? "1280 400").split(" ").map(Number)) await look(theme, width);
} catch (error) {
  faults.push(String(error.stack ?? error));
}
browser.kill();
await new Promise((done) => browser.exitCode === null && browser.signalCode === null ? browser.once("exit", done) : done());
rmSync(home, { recursive: true, force: true, maxRetries: 5 });
for (const fault of new Set(faults)) console.error(`not ok: ${fault}`);
process.exit(faults.length ? 1 : 0);
