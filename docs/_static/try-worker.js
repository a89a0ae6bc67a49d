// Python, minigrad and the checker, away from the page: what a backward does cannot stop it.
let python;

const CHECKER = `
import linecache
import sys
import traceback


def verdict(code):
    """Whether the Function in this text is right, and what there is to say of it."""
    from minigrad import check

    linecache.cache["yours.py"] = len(code), None, code.splitlines(True), "yours.py"
    names = {"__name__": "yours"}
    try:
        exec(compile(code, "yours.py", "exec"), names)
        if not isinstance(names.get("MSE"), type):
            return False, "There is no class MSE: the checker looks for that name."
        report = check(names["MSE"], signature="(n,q),(n,q)->()")
        return not report.faults, str(report)
    except BaseException as error:
        lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == "yours.py"]
        at = f"line {lines[-1].lineno}: {lines[-1].line}\\n" if lines else ""
        return False, at + "".join(traceback.format_exception_only(error))
`;

async function load({ pyodide, wheels }) {
  const { loadPyodide } = await import(`${pyodide}pyodide.mjs`);
  python = await loadPyodide({ indexURL: pyodide });
  const files = wheels.filter((wheel) => wheel.endsWith(".whl"));
  const named = wheels.filter((wheel) => !wheel.endsWith(".whl"));
  await python.loadPackage(["numpy", ...files]);
  if (named.length) {
    await python.loadPackage("micropip");
    await python.pyimport("micropip").install(named);
  }
  await python.runPythonAsync(CHECKER);
}

self.onmessage = async ({ data }) => {
  if (data.pyodide) {
    try {
      await load(data);
      self.postMessage({ ready: true });
    } catch (error) {
      self.postMessage({ failed: String(error.message ?? error) });
    }
    return;
  }
  const found = python.globals.get("verdict")(data.code);
  const [right, text] = found.toJs();
  found.destroy();
  self.postMessage({ right, text });
};
