/**
 * Runs the samples of the documentation, one after the other, in one process: `node run-samples.js <url> <file>...`
 * Each file is a module that may use `help`. Prints a line of JSON for each: what it threw, or null.
 */
import assert from 'node:assert/strict';
import { format } from 'node:util';
import { pathToFileURL } from 'node:url';

const [url, ...files] = process.argv.slice(2);
process.argv.length = 2;

const say = console.log;
/** @type {string[]} */
let lines = [];
/** @type {() => void} */
let heard = () => undefined;
console.log = (/** @type {unknown[]} */ ...parts) => {
  lines.push(format(...parts));
  heard();
};

const help = {
  url,
  equal: assert.equal,
  /** Resolves when the sample has printed this line. @param {string} wanted */
  printed: async (wanted) => {
    while (!lines.includes(wanted)) await new Promise((resolve) => (heard = () => resolve(undefined)));
  },
};
Object.assign(globalThis, { help });

const LONGEST_MS = 20_000;

for (const file of files) {
  lines = [];
  const patience = setTimeout(() => {
    say(JSON.stringify({ file, fault: `it did not end; it printed:\n${lines.join('\n')}` }));
    process.exit(1);
  }, LONGEST_MS);
  const fault = await import(pathToFileURL(file).href).then(
    () => null,
    (/** @type {unknown} */ error) => (error instanceof Error ? `${error.stack}` : String(error)),
  );
  clearTimeout(patience);
  say(JSON.stringify({ file, fault }));
}
// What a sample leaves open is its own business: a page is closed by whoever looks at it.
process.exit(0);
