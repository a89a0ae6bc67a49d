// The explorer's page in a notebook, and below it the entries of the leaves, to be changed.
function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.title = "explorer";
  frame.sandbox = "allow-scripts";
  frame.style = "width: 100%; height: 800px; border: 0";
  let step = 0; // where the page is: it stays there when a number changes
  let changes = 0; // so that the same change twice is two
  const listen = ({ source, data }) => {
    if (source === frame.contentWindow && Number.isInteger(data?.step)) step = data.step;
  };
  addEventListener("message", listen);

  function page() {
    const before = step;
    frame.addEventListener("load", () => frame.contentWindow.postMessage({ step: before }, "*"), { once: true });
    frame.srcdoc = model.get("html");
  }

  function number(i, name, value, entry) {
    const input = document.createElement("input");
    input.type = "number";
    input.step = "any";
    input.value = Number(value.toPrecision(6));
    input.style = "width: 7em";
    input.setAttribute("aria-label", `${name}, entry ${entry}`);
    input.addEventListener("change", () => {
      if (!Number.isFinite(input.valueAsNumber)) return;
      model.set("change", [i, entry, input.valueAsNumber, (changes += 1)]);
      model.save_changes();
    });
    return input;
  }

  const form = document.createElement("div");
  model.get("leaves").forEach(({ name, rows }, i) => {
    const set = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = name;
    set.append(legend);
    let entry = 0;
    for (const row of rows) {
      const line = document.createElement("div");
      line.append(...row.map((value) => number(i, name, value, entry++)));
      set.append(line);
    }
    form.append(set);
  });
  form.style = "display: flex; flex-wrap: wrap; gap: 0.5em";
  el.append(frame, form);
  page();
  model.on("change:html", page);
  return () => removeEventListener("message", listen);
}

export default { render };
