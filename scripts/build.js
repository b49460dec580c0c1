/**
 * Builds all that the server needs at run time into dist/: the compiled server, the migrations, the pairing page, the
 * documentation and the client library; and the client library as a package. Starts from an empty dist/, so that nothing
 * of an earlier build is ever served.
 *
 *   dist/server, dist/protocol   compiled TypeScript
 *   dist/migrations              as in migrations/
 *   dist/server/state/redis/scripts   the Lua scripts
 *   dist/server/auth/common-passwords.txt   passwords that nobody may have
 *   dist/web                     index.html, console.html, favicon.svg, docs/; names in assets/ carry a hash of their
 *                                content, so that they can be cached for ever; client/ holds the library for pages of
 *                                any origin. What compresses lies there as .br and .gz too
 *   dist/client                  the package @tandem/client
 */
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';
import { buildClient } from './build-client.js';
import { buildDocs } from './build-docs.js';
import { compressFiles } from './compress.js';
import { runTsc } from './run-tsc.js';

const root = path.dirname(import.meta.dirname);
const dist = path.join(root, 'dist');
const web = path.join(dist, 'web');

/** Browsers from 2022 on. */
const BROWSERS = ['chrome100', 'firefox100', 'safari15.4'];

try {
  const startedAt = performance.now();
  await rm(dist, { recursive: true, force: true });
  await mkdir(web, { recursive: true });
  // Together, and all to their end: one that fails early must not leave another writing into dist/.
  const compiled = runTsc('tsconfig.build.json');
  const parts = await Promise.allSettled([
    buildClient({ dist, browsers: BROWSERS }),
    compiled,
    copyMigrations(),
    copyRedisScripts(),
    copyPasswords(),
    buildPages(compiled),
  ]);
  const faults = parts.flatMap((part) => (part.status === 'rejected' ? [messageOf(part.reason)] : []));
  if (faults.length > 0) throw new Error(faults.join('\n'));
  await compressFiles(web);
  const [client] = parts;
  if (client.status === 'fulfilled') console.log(client.value);
  console.log(`Built dist/ in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
} catch (error) {
  // No half a build: what starts from dist/ must fail at once, and not at the first missing file.
  await rm(dist, { recursive: true, force: true });
  console.error(`Build failed; dist/ was removed.\n${messageOf(error)}`);
  process.exitCode = 1;
}

async function copyMigrations() {
  await cp(path.join(root, 'migrations'), path.join(dist, 'migrations'), { recursive: true });
}

async function copyPasswords() {
  const list = path.join('server', 'auth', 'common-passwords.txt');
  await cp(path.join(root, list), path.join(dist, list));
}

async function copyRedisScripts() {
  const scripts = path.join('server', 'state', 'redis', 'scripts');
  await cp(path.join(root, scripts), path.join(dist, scripts), { recursive: true });
}

/** @param {Promise<unknown>} compiled */
async function buildPages(compiled) {
  const assets = await bundle();
  const page = await source('index.html');
  await writeFile(path.join(web, 'index.html'), withAssets(page, 'index.html', assets, ['/app.js', '/app.css']));
  const operators = withAssets(await source('console.html'), 'console.html', assets, ['/console.js', '/console.css']);
  await writeFile(path.join(web, 'console.html'), operators);
  await cp(path.join(root, 'web', 'favicon.svg'), path.join(web, 'favicon.svg'));
  const template = withAssets(await source('docs.html'), 'docs.html', assets, ['/docs.css']);
  // The references are made from what the compiler made; why it failed is told by it.
  const isCompiled = await compiled.then(
    () => true,
    () => false,
  );
  if (isCompiled) await buildDocs({ root, to: path.join(web, 'docs'), template });
}

/**
 * Bundles scripts and styles.
 * @returns {Promise<Map<string, string>>} the name that a page's source uses (`/app.js`) -> the address that is served
 */
async function bundle() {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [
      { in: 'web/main.ts', out: 'app' },
      { in: 'web/styles.css', out: 'app' },
      { in: 'web/docs.css', out: 'docs' },
      { in: 'web/console/main.ts', out: 'console' },
      { in: 'web/console.css', out: 'console' },
    ],
    outdir: path.join(web, 'assets'),
    entryNames: '[name]-[hash]',
    bundle: true,
    minify: true,
    sourcemap: 'linked',
    format: 'esm',
    platform: 'browser',
    target: BROWSERS,
    metafile: true,
    logLevel: 'silent',
  });
  const addresses = new Map();
  for (const file of Object.keys(metafile.outputs)) {
    const match = /assets\/((app|console|docs)-[A-Z0-9]+\.(js|css))$/.exec(file);
    if (match !== null) addresses.set(`/${match[2]}.${match[3]}`, `/assets/${match[1]}`);
  }
  return addresses;
}

/**
 * @param {string} page @param {string} name @param {Map<string, string>} assets @param {string[]} references
 */
function withAssets(page, name, assets, references) {
  let linked = page;
  for (const reference of references) {
    const address = assets.get(reference);
    if (address === undefined) throw new Error(`The bundle has no ${reference}, which web/${name} refers to.`);
    if (!linked.includes(`"${reference}"`)) throw new Error(`web/${name} does not refer to "${reference}".`);
    linked = linked.replaceAll(`"${reference}"`, `"${address}"`);
  }
  return linked;
}

/** @param {string} name */
function source(name) {
  return readFile(path.join(root, 'web', name), 'utf8');
}

/** @param {unknown} reason */
function messageOf(reason) {
  return reason instanceof Error ? reason.message : String(reason);
}
