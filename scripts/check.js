/**
 * Types, and then lint beside the tests: what `npm run check` runs. The commands are those of the scripts `typecheck` and
 * `lint` of package.json. Lint takes two minutes of processor time, and tests leave a quarter of two cores unused: it runs
 * in that, at the lowest priority, so that no deadline of a test comes late by it. What a command says is printed when it
 * ends, so that nothing is mixed; all of them run, also after one has failed, but no tests when the types are wrong.
 *
 *   node scripts/check.js [arguments of the tests]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';

const root = path.dirname(import.meta.dirname);
const PATH = [path.join(root, 'node_modules/.bin'), process.env.PATH ?? ''].join(path.delimiter);
/** @type {{ scripts: Record<'typecheck' | 'lint', string> }} */
const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));
/** What this script starts itself with for lint: a process of its own, whose priority those that it starts inherit. */
const LINT = '--only-lint';

if (process.argv[2] === LINT) {
  os.setPriority(os.constants.priority.PRIORITY_LOW);
  end(await run(scripts.lint, 1));
} else {
  const faults = await run(scripts.typecheck, Math.max(2, Math.min(4, os.availableParallelism())));
  if (faults.length > 0) {
    end([...faults, ...(await run(scripts.lint, 2))]);
  } else {
    const [lint, tests] = await Promise.all([
      exitOf(process.execPath, [import.meta.filename, LINT]),
      exitOf('npm', ['test', '--', ...process.argv.slice(2)]),
    ]);
    // Last, because what it said stands amid the tests.
    if (lint !== 0) console.error('Failed: lint. Look for the line that begins with FAILED.');
    process.exitCode = tests === 0 ? lint : tests;
  }
}

/**
 * Runs the commands of a script of package.json, so many at a time; answers with those that failed.
 * @param {string} script @param {number} atOnce
 */
async function run(script, atOnce) {
  const commands = script.split(' && ');
  /** @type {string[]} */
  const failed = [];
  const work = async () => {
    for (let command = commands.shift(); command !== undefined; command = commands.shift()) {
      const startedAt = performance.now();
      const child = spawn(command, { cwd: root, shell: true, env: { ...process.env, PATH } });
      const [stdout, stderr, [code]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'close'),
      ]);
      if (code !== 0) failed.push(command);
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      process.stdout.write(`${code === 0 ? 'ok' : 'FAILED'} ${command} (${seconds} s)\n${stdout}${stderr}`);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return failed;
}

/** @param {readonly string[]} failed */
function end(failed) {
  if (failed.length === 0) return;
  console.error(`Failed: ${failed.join('; ')}`);
  process.exitCode = 1;
}

/** @param {string} program @param {string[]} parameters @returns {Promise<number>} */
async function exitOf(program, parameters) {
  // npm is a batch file on Windows, which only a shell starts.
  const shell = process.platform === 'win32' && program === 'npm';
  const [code] = await once(spawn(program, parameters, { cwd: root, stdio: 'inherit', shell }), 'close');
  return code ?? 1;
}
