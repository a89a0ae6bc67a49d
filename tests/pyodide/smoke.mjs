// Run a Python program in Pyodide: node smoke.mjs PYODIDE_FOLDER PACKAGES_FOLDER PROGRAM.py [MODULE ...]
// The modules are packages of the distribution that are loaded first, beside wheels of its folder that are named *.whl.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, packages, program, ...wanted] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(resolve(folder, "pyodide.mjs")));
const python = await loadPyodide({ indexURL: resolve(folder) + "/" });
await python.loadPackage(wanted.map((name) => (name.endsWith(".whl") ? resolve(folder, name) : name)), { messageCallback() {} });
python.mountNodeFS("/packages", resolve(packages));
python.runPython("import sys; sys.path.insert(0, '/packages')");
try {
  await python.runPythonAsync(readFileSync(program, "utf8"), { filename: program });
} catch (error) { // whose stack would be Pyodide's, in one line of a million characters
  console.error(error.message);
  process.exitCode = 1;
}
