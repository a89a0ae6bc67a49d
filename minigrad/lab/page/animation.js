"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const [canvas, slider, play, seen, table] = ["plane", "slider", "play", "seen", "table"].map((id) => document.getElementById(id));
const context = canvas.getContext("2d");
const [xs, ys] = data.along;
const at = ([a, b]) => [
  ((a - xs[0]) / (xs[xs.length - 1] - xs[0])) * canvas.width,
  (1 - (b - ys[0]) / (ys[ys.length - 1] - ys[0])) * canvas.height,
];
const last = Math.max(...data.runs.map((run) => run.samples[run.samples.length - 1]));

// The hills are painted once: a band for each factor of three above the optimum.
const hills = document.createElement("canvas");
[hills.width, hills.height] = [canvas.width, canvas.height];
(function paint() {
  const image = hills.getContext("2d").createImageData(hills.width, hills.height);
  const top = Math.log(Math.max(...data.above.map((row) => Math.max(...row))));
  for (let j = 0; j < hills.height; j++)
    for (let i = 0; i < hills.width; i++) {
      const u = (i / (hills.width - 1)) * (xs.length - 1), v = (1 - j / (hills.height - 1)) * (ys.length - 1);
      const k = Math.min(Math.floor(u), xs.length - 2), l = Math.min(Math.floor(v), ys.length - 2), s = u - k, t = v - l;
      const z = (1 - s) * ((1 - t) * data.above[k][l] + t * data.above[k][l + 1]) +
        s * ((1 - t) * data.above[k + 1][l] + t * data.above[k + 1][l + 1]);
      const depth = Math.min(Math.floor((top - Math.log(z + 1e-300)) / Math.log(3)), 9);
      image.data.set([250 - 12 * depth, 252 - 8 * depth, 255 - 3 * depth, 255], 4 * (j * hills.width + i));
    }
  hills.getContext("2d").putImageData(image, 0, 0);
})();

// Samples go by as their logarithm: most happens at the beginning.
const samples = (value) => (value >= 1000 ? last : Math.expm1((value / 1000) * Math.log1p(last)));

function between(run, now) {
  let i = run.samples.findIndex((n) => n > now);
  if (i < 0) i = run.samples.length;
  const done = run.path.slice(0, i).filter(([a, b]) => a !== null && b !== null);
  if (i < run.samples.length && run.path[i][0] !== null && run.path[i][1] !== null && i > 0 && run.name !== "batch") {
    const part = (now - run.samples[i - 1]) / (run.samples[i] - run.samples[i - 1]);
    done.push([0, 1].map((k) => run.path[i - 1][k] + part * (run.path[i][k] - run.path[i - 1][k])));
  }
  return [done, run.loss[i - 1]];
}

function show() {
  const now = samples(Number(slider.value));
  seen.textContent = `${Math.round(now).toLocaleString("en")} samples seen`;
  context.drawImage(hills, 0, 0);
  const [x, y] = at([0, 0]);
  context.lineWidth = 2;
  context.strokeStyle = "#000";
  context.beginPath();
  for (const [dx, dy] of [[8, 0], [0, 8]]) { context.moveTo(x - dx, y - dy); context.lineTo(x + dx, y + dy); }
  context.stroke();
  table.replaceChildren();
  const labels = [];
  for (const run of data.runs) {
    const [way, loss] = between(run, now);
    context.strokeStyle = context.fillStyle = run.colour;
    context.lineWidth = 2.5;
    context.beginPath();
    way.forEach((point, i) => context[i ? "lineTo" : "moveTo"](...at(point)));
    context.stroke();
    const [a, b] = at(way[way.length - 1]);
    context.beginPath();
    context.arc(a, b, 7, 0, 2 * Math.PI);
    context.fill();
    context.font = "bold 18px system-ui, sans-serif";
    let height = b - 8;
    while (labels.some(([u, v]) => Math.abs(u - a) < 120 && Math.abs(v - height) < 20)) height -= 20;
    labels.push([a, height]);
    context.fillText(run.name, a + 10, height);
    const row = table.insertRow();
    const above = loss === null ? "—" : `${(100 * (loss / data.least - 1)).toFixed(2)} %`;
    for (const text of [run.name, loss === null ? "not finite" : loss.toPrecision(6), above]) row.insertCell().textContent = text;
  }
}

let timer = null;
function stop() { clearInterval(timer); timer = null; play.textContent = "Play"; }
function turn() {
  if (timer) return stop();
  if (Number(slider.value) >= 1000) slider.value = 0;
  play.textContent = "Stop";
  timer = setInterval(() => {
    slider.value = Number(slider.value) + 2;
    show();
    if (Number(slider.value) >= 1000) stop();
  }, 33);
}
play.addEventListener("click", turn);
slider.addEventListener("input", () => { stop(); show(); });
document.addEventListener("keydown", (event) => {
  if (event.target === slider || event.target === play) return;
  if (event.key === " ") { event.preventDefault(); turn(); }
  const step = { ArrowRight: 10, ArrowLeft: -10 }[event.key];
  if (step) { stop(); slider.value = Number(slider.value) + step; show(); }
});
show();
