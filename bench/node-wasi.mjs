// Runs bench.wasm on Node's WASI: node node-wasi.mjs DIRECTORY ARGUMENT…
import { openSync, readFileSync } from "node:fs";
import { WASI } from "node:wasi";

const [directory, ...args] = process.argv.slice(2);
const wasi = new WASI({
  version: "preview1",
  args: ["bench", ...args],
  preopens: { "/": directory },
  stdout: openSync("/dev/null", "w"),
});
const wasm = readFileSync(new URL("../fixtures/bench/bench.wasm", import.meta.url));
const { instance } = await WebAssembly.instantiate(wasm, wasi.getImportObject());
process.exit(wasi.start(instance));
