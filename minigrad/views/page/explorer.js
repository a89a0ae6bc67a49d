"use strict";
// Everything is shown through textContent and the DOM: nothing of the user's is ever parsed as HTML.
const { stops } = JSON.parse(document.getElementById("data").textContent);
const [graph, panel, slider, where, turn] = ["graph", "panel", "slider", "where", "turn"].map((id) => document.getElementById(id));
const buttons = { first: () => 0, back: () => at - 1, next: () => at + 1 };
const backward = stops.findIndex((stop) => stop.phase === "backward");
const boxes = new Map([...graph.querySelectorAll("[data-node]")].map((box) => [box.dataset.node, box]));
const edges = new Map([...graph.querySelectorAll("[data-edge]")].map((edge) => [edge.dataset.edge, edge]));
const computed = new Map(); // box: the stop that computes it
const sent = new Map(); // edge: the stop that sends something along it
const complete = new Map(); // box: the stop after which all of its gradient has come
stops.forEach((stop, i) => {
  if (stop.phase === "forward") computed.set(stop.node, i);
  if (stop.edge) {
    sent.set(stop.edge, i);
    complete.set(stop.node, i);
  }
});
const differs = (block) => block.type === "arrays" && block.items.some((item) => item.verdict === "differs");
const wrong = [...stops.keys()].filter((i) => stops[i].blocks.some(differs));
const nextWrong = () => wrong.find((i) => i > at) ?? wrong[0];
let at = 0;

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

// Python writes the cotangent of t4 with a line over each letter, which few fonts can do; here it is one line over all.
function formula(text) {
  const parts = text.normalize("NFD").split(/((?:[^\u0304\u0305][\u0304\u0305])+)/u);
  return parts.map((part, i) => {
    if (i % 2 === 0) return part;
    const name = part.replace(/[\u0304\u0305]/gu, "");
    const bar = element("span", "bar", name);
    bar.setAttribute("role", "img");
    bar.setAttribute("aria-label", `cotangent of ${name}`);
    return bar;
  });
}

function source({ at: place, text, first, start, end }) {
  if (text === undefined) return element("p", "note", `${place} (the source is gone)`);
  const code = element("code", "");
  let begin = 0;
  text.split("\n").forEach((line, i) => {
    const [from, to] = [start, end].map((offset) => Math.min(Math.max(offset - begin, 0), line.length));
    const indent = from + line.slice(from, to).search(/\S|$/);
    code.append(element("span", "number", `${String(first + i).padStart(4)} `), line.slice(0, indent));
    if (to > indent) code.append(element("mark", "", line.slice(indent, to)));
    code.append(line.slice(Math.max(to, indent)), "\n");
    begin += line.length + 1;
  });
  return element("figure", "source", element("figcaption", "", place), element("pre", "", code));
}

const verdicts = { agrees: "✓ agrees", differs: "✗ differs", unknown: "? not compared" };

function array({ title, shape, rows, summary, verdict, uncompared, wrong, unknown }) {
  const caption = element("figcaption", "", `${title} · ${shape}`);
  if (verdict) caption.append(element("span", `verdict ${verdict}`, verdicts[verdict]));
  if (uncompared) caption.append(element("span", "verdict unknown", uncompared));
  if (!rows) return element("figure", "array", caption, element("div", "value", summary));
  const table = element("table", "");
  rows.forEach((row, i) => {
    const mark = (j) => (wrong && wrong[i][j] ? "wrong" : unknown && unknown[i][j] ? "unknown" : "");
    table.append(element("tr", "", ...row.map((entry, j) => element("td", mark(j), entry))));
  });
  return element("figure", "array", caption, element("div", "scroll", table));
}

const blocks = {
  formula: ({ lines }) => element("div", "formula", ...lines.map((line) => element("div", "", ...formula(line)))),
  text: ({ text, role }) => {
    const made = element("p", role, text);
    if (role === "alert") made.setAttribute("role", "alert");
    return made;
  },
  arrays: ({ items }) => element("div", "arrays", ...items.map(array)),
  code: ({ title, text }) => {
    const made = element("details", "code", element("summary", "", title), element("pre", "", element("code", "", text)));
    made.open = true;
    return made;
  },
};

function show(i, keepAddress) {
  at = Math.min(Math.max(i, 0), stops.length - 1);
  const stop = stops[at];
  const forwards = stop.phase === "forward";
  const count = forwards ? `${at + 1} of ${backward < 0 ? stops.length : backward}` : `${at - backward + 1} of ${stops.length - backward}`;
  panel.className = stop.phase;
  panel.replaceChildren(element("h2", "", element("small", "", `${stop.phase}, ${count}`), stop.title));
  if (stop.source) panel.append(source(stop.source));
  panel.append(...stop.blocks.map((block) => blocks[block.type](block)));
  panel.scrollTop = 0;

  slider.value = at;
  slider.setAttribute("aria-valuetext", `${stop.phase}, ${count}: ${stop.title}`);
  where.textContent = `${forwards ? "→ forward" : "← backward"} ${count}`;
  turn.textContent = forwards ? "to backward" : "to forward";
  turn.disabled = backward < 0;
  document.getElementById("back").disabled = document.getElementById("first").disabled = at === 0;
  document.getElementById("next").disabled = at === stops.length - 1;

  for (const [key, box] of boxes) {
    box.classList.toggle("later", forwards && computed.has(key) && computed.get(key) > at);
    box.classList.toggle("arrived", complete.has(key) && complete.get(key) <= at);
    box.classList.toggle("now", key === stop.node);
    if (key === stop.node) box.setAttribute("aria-current", "step");
    else box.removeAttribute("aria-current");
  }
  for (const [key, edge] of edges) {
    edge.classList.toggle("later", forwards && computed.get(`n${key.split("-")[0]}`) > at);
    edge.classList.toggle("gone", sent.has(key) && sent.get(key) <= at);
    edge.classList.toggle("now", forwards ? `n${key.split("-")[0]}` === stop.node : key === stop.edge);
  }
  const [box, frame] = [boxes.get(stop.node).getBoundingClientRect(), graph.getBoundingClientRect()];
  graph.scrollBy(box.left + box.width / 2 - frame.left - frame.width / 2, box.top + box.height / 2 - frame.top - frame.height / 2);
  // Inside of a notebook's page this one has no address, and no history that it may write.
  if (!keepAddress && location.protocol !== "about:") history.replaceState(null, "", `#step=${at + 1}`);
  if (parent !== window) parent.postMessage({ step: at }, "*"); // a notebook that shows the page anew comes back to it
}

// A click leads to where the gradient came together, in the backward; to where the value was computed, in the forward.
function toBox(key) {
  show(stops[at].phase === "backward" && complete.has(key) ? complete.get(key) : computed.get(key) ?? at);
}

function toEdge(key) {
  show(sent.get(key) ?? computed.get(`n${key.split("-")[0]}`));
}

function fromAddress() {
  const step = /^#step=(\d+)$/.exec(location.hash);
  show(step ? Number(step[1]) - 1 : 0, true);
}

graph.querySelector("svg").setAttribute("role", "group"); // an image would hide its boxes from a screen reader
for (const [key, box] of boxes) {
  box.addEventListener("click", () => toBox(key));
  if (!computed.has(key)) continue;
  box.setAttribute("tabindex", "0");
  box.setAttribute("role", "button");
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      toBox(key);
    }
  });
}
for (const [key, edge] of edges) {
  const hit = edge.querySelector("path").cloneNode();
  hit.setAttribute("class", "hit");
  hit.removeAttribute("marker-end");
  edge.append(hit);
  edge.addEventListener("click", () => toEdge(key));
}
for (const [id, to] of Object.entries(buttons)) document.getElementById(id).addEventListener("click", () => show(to()));
for (const i of wrong) edges.get(stops[i].edge)?.classList.add("bad");
if (wrong.length) {
  const button = document.getElementById("wrong");
  button.textContent = `✗ ${wrong.length} ${wrong.length > 1 ? "steps differ" : "step differs"}`;
  button.hidden = false;
  button.addEventListener("click", () => show(nextWrong()));
}
turn.addEventListener("click", () => show(stops[at].phase === "forward" ? backward : 0));
slider.max = stops.length - 1;
slider.addEventListener("input", () => show(Number(slider.value)));
addEventListener("hashchange", fromAddress);
addEventListener("message", ({ source, data }) => source === parent && source !== window && show(data.step));
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const to = {
    ArrowRight: at + 1, ArrowLeft: at - 1, n: at + 1, p: at - 1, Home: 0, End: stops.length - 1,
    b: stops[at].phase !== "forward" ? 0 : backward < 0 ? undefined : backward, d: nextWrong(),
  }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  show(to);
});
fromAddress();
