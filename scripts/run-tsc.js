import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';

const root = path.dirname(import.meta.dirname);

/**
 * Runs the compiler on one project; rejects with what it said when it found a fault.
 * @param {string} project @param {string[]} options
 */
export async function runTsc(project, options = []) {
  // The compiler's package keeps its program out of its exports.
  const tsc = path.join(path.dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');
  const compiler = spawn(process.execPath, [tsc, '-p', project, ...options], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  compiler.stdout.setEncoding('utf8').on('data', (/** @type {string} */ text) => (output += text));
  const code = await new Promise((resolve, reject) => compiler.on('error', reject).on('close', resolve));
  if (code !== 0) throw new Error(`tsc -p ${project} ended with ${code}:\n${output.trim()}`);
}
