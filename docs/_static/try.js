// The page on which a visitor edits a backward: Python and the checker are in a worker, which can be stopped.
const $ = (id) => document.getElementById(id);
const [box, code, button, state, verdict] = ["try", "code", "check", "state", "verdict"].map($);
const LIMIT = 180; // seconds, after which a backward is taken for an endless loop
const KEPT = "minigrad: the Function on the page Try it";
const original = code.value;
let worker, ready, timer;

function absolute(address) {
  return new URL(address, document.baseURI).href;
}

function start() {
  worker = new Worker(new URL("try-worker.js", import.meta.url), { type: "module" });
  const wheels = box.dataset.wheels.split(" ").filter(Boolean).map((wheel) => (/[/.]/.test(wheel) ? absolute(wheel) : wheel));
  worker.postMessage({ pyodide: absolute(box.dataset.pyodide), wheels });
  ready = new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => (data.failed ? reject(new Error(data.failed)) : resolve());
    worker.onerror = () => reject(new Error("the page must come from a web server, not from a file"));
  });
}

function stop() {
  clearTimeout(timer);
  worker?.terminate();
  worker = ready = undefined;
}

function show(text, right) {
  verdict.hidden = false;
  verdict.textContent = text;
  verdict.className = right ? "right" : "wrong";
}

async function check() {
  button.disabled = true;
  try {
    if (!worker) {
      state.textContent = "Python is on its way: some 15 MB, once …";
      start();
    }
    await ready;
    state.textContent = "Checking: some seconds, and more the first time …";
    const answer = new Promise((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
    const late = new Promise((resolve) => (timer = setTimeout(resolve, LIMIT * 1000)));
    worker.postMessage({ code: code.value });
    const found = await Promise.race([answer, late]);
    clearTimeout(timer);
    if (found) show(found.text, found.right);
    else {
      stop();
      show(`It was stopped after ${LIMIT} seconds. Is there a loop that does not end?`, false);
    }
    state.textContent = "";
  } catch (error) {
    stop();
    state.textContent = `Python could not be loaded: ${error.message}`;
  }
  button.disabled = false;
}

function remember(text) {
  try { // storage may be closed to a page
    text === undefined ? localStorage.removeItem(KEPT) : localStorage.setItem(KEPT, text);
  } catch {}
}

try {
  code.value = localStorage.getItem(KEPT) ?? original;
} catch {}
code.addEventListener("input", () => remember(code.value));
button.addEventListener("click", check);
$("restore").addEventListener("click", () => {
  code.value = original;
  remember();
  verdict.hidden = true;
});
