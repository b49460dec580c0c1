/**
 * Types and lint, side by side, and then the tests: what `npm run check` runs. The commands are those of the scripts
 * `typecheck` and `lint` of package.json. Each uses one core, and one after the other they were a sixth of the whole
 * check. What a command says is printed when it ends, so that nothing is mixed; all of them run, also after one has failed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';

const root = path.dirname(import.meta.dirname);
const PATH = [path.join(root, 'node_modules/.bin'), process.env.PATH ?? ''].join(path.delimiter);
/** @type {{ scripts: Record<'typecheck' | 'lint', string> }} */
const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

/** Lint first: its eslint takes the longest, and should not be what all the others wait for. */
const commands = [scripts.lint, scripts.typecheck].flatMap((script) => script.split(' && '));
/** @type {string[]} */
const failed = [];

await Promise.all(Array.from({ length: Math.max(2, Math.min(4, availableParallelism())) }, work));
if (failed.length > 0) {
  console.error(`Failed: ${failed.join('; ')}`);
  process.exitCode = 1;
} else {
  process.exitCode = await test();
}

async function work() {
  for (let command = commands.shift(); command !== undefined; command = commands.shift()) {
    const startedAt = performance.now();
    const child = spawn(command, { cwd: root, shell: true, env: { ...process.env, PATH } });
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
    if (code !== 0) failed.push(command);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    process.stdout.write(`${code === 0 ? 'ok' : 'FAILED'} ${command} (${seconds} s)\n${stdout}${stderr}`);
  }
}

/** Arguments of this script are those of the tests. */
async function test() {
  const child = spawn('npm', ['test', '--', ...process.argv.slice(2)], {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  const [code] = await once(child, 'close');
  return code ?? 1;
}
