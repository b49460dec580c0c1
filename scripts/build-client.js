/**
 * Builds the client library from client/ in its two forms:
 *
 *   dist/web/client/tandem.js   one ES module for browsers, Socket.IO's client inside; what the server serves
 *   dist/client/                a package, for npm install and npm pack: index.js leaves Socket.IO's client to the
 *                               application's own bundler or to Node.js; tandem.js is the module above
 */
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { minify } from 'terser';
import ts from 'typescript';
import { gzipped } from './compress.js';
import { runTsc } from './run-tsc.js';

const root = path.dirname(import.meta.dirname);

/** What everybody who opens an application downloads before anything else happens. */
const MAX_GZIP_BYTES = 25 * 1024;

const DEPENDENCY = 'socket.io-client';

/**
 * @param {{ dist: string, browsers: string[], entry?: string }} places
 * @returns {Promise<string>} one line about the size, for the log
 */
export async function buildClient({ dist, browsers, entry = 'client/index.ts' }) {
  const served = path.join(dist, 'web', 'client');
  const packed = path.join(dist, 'client');
  await mkdir(packed, { recursive: true });
  const manifest = await manifestOf();
  const parts = await Promise.allSettled([
    bundleForBrowsers(entry, served, browsers, manifest),
    bundleForPackage(entry, packed, browsers),
    declare(path.join(packed, 'types')),
    writeFile(path.join(packed, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`),
    cp(path.join(root, 'client', 'README.md'), path.join(packed, 'README.md')),
    cp(path.join(root, 'LICENSE'), path.join(packed, 'LICENSE')),
  ]);
  const faults = parts.flatMap((part) => (part.status === 'rejected' ? [messageOf(part.reason)] : []));
  if (faults.length > 0) throw new Error(faults.join('\n'));
  for (const name of ['tandem.js', 'tandem.js.map']) await cp(path.join(served, name), path.join(packed, name));
  return checkSize(path.join(served, 'tandem.js'));
}

/** The package's manifest: what the project has already said is not said again in client/package.json. */
async function manifestOf() {
  const own = JSON.parse(await readFile(path.join(root, 'client', 'package.json'), 'utf8'));
  const { version, license, engines, devDependencies } = JSON.parse(
    await readFile(path.join(root, 'package.json'), 'utf8'),
  );
  const { name, description, ...rest } = own;
  const dependencies = { [DEPENDENCY]: devDependencies[DEPENDENCY] };
  return { name, version, description, license, ...rest, engines, dependencies };
}

/** @param {string} entry @param {string} outdir @param {string[]} browsers @param {{ name: string, version: string, license: string, dependencies: Record<string, string> }} manifest */
async function bundleForBrowsers(entry, outdir, browsers, { name, version, license, dependencies }) {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [{ in: entry, out: 'tandem' }],
    outdir,
    bundle: true,
    minify: true,
    sourcemap: 'external',
    format: 'esm',
    platform: 'browser',
    target: browsers,
    plugins: [lean],
    write: false,
    logLevel: 'silent',
  });
  const [code, map] = ['.js', '.js.map'].map((end) => outputFiles.find((file) => file.path.endsWith(end))?.text ?? '');
  // A second pass: it folds what esbuild leaves, which is 3 % of what everybody downloads.
  const folded = await minify(code ?? '', {
    module: true,
    ecma: 2020,
    compress: { passes: 3, unsafe_arrows: true, pure_getters: true },
    format: {
      preamble: `/*! ${name} ${version}, ${license}; with ${DEPENDENCY} ${dependencies[DEPENDENCY]}, MIT */`,
    },
    sourceMap: { content: map ?? '', filename: 'tandem.js', url: 'tandem.js.map' },
  });
  await mkdir(outdir, { recursive: true });
  await writeFile(path.join(outdir, 'tandem.js'), folded.code ?? '');
  await writeFile(path.join(outdir, 'tandem.js.map'), String(folded.map));
}

/**
 * Leaves out what Socket.IO's client names and this library never uses, and no tree shaking takes: transports but
 * WebSocket, and the wait before a reconnection that the library does by itself. Together 2.2 kB gzip.
 * @type {import('esbuild').Plugin}
 */
const lean = {
  name: 'lean',
  setup(bundler) {
    bundler.onLoad(
      { filter: /engine\.io-client\/build\/esm\/transports\/(polling-\w+|webtransport)(\.node)?\.js$/ },
      () => ({
        contents: 'export const XHR = undefined, WT = undefined, Fetch = undefined;',
      }),
    );
    bundler.onLoad({ filter: /socket\.io-client\/build\/esm\/contrib\/backo2\.js$/ }, () => ({
      contents: 'export class Backoff { setMin() {} setMax() {} setJitter() {} reset() {} duration() { return 0; } }',
    }));
  },
};

/**
 * One file for browsers and Node.js alike: which of the two it runs on is decided by Socket.IO's client, whose own
 * package has a file for each, so there is no `browser` condition that could differ.
 * @param {string} entry @param {string} outdir @param {string[]} browsers
 */
async function bundleForPackage(entry, outdir, browsers) {
  await build({
    absWorkingDir: root,
    entryPoints: [{ in: entry, out: 'index' }],
    outdir,
    bundle: true,
    // Neutral: a module of Node.js in it is a fault of the build, and not of some application's page.
    platform: 'neutral',
    external: [DEPENDENCY],
    sourcemap: 'linked',
    format: 'esm',
    target: [...browsers, 'node20'],
    logLevel: 'silent',
  });
}

/**
 * The declarations that an application can reach from the entry, and no others. They are checked without the types of
 * Node.js, because the tests bring those in when all of client/ is checked.
 * @param {string} outdir
 */
async function declare(outdir) {
  const all = await mkdtemp(path.join(tmpdir(), 'tandem-types-'));
  try {
    await runTsc('client/tsconfig.build.json', ['--outDir', all]);
    const waiting = [path.join(all, 'client', 'index.d.ts')];
    const reached = new Set(waiting);
    for (const file of waiting) {
      const { text, imports } = withJsImports(await readFile(file, 'utf8'));
      const copy = path.join(outdir, path.relative(all, file));
      await mkdir(path.dirname(copy), { recursive: true });
      await writeFile(copy, text);
      for (const specifier of imports) {
        const next = path.resolve(path.dirname(file), specifier.replace(/\.ts$/, '.d.ts'));
        if (!reached.has(next)) waiting.push(next);
        reached.add(next);
      }
    }
  } finally {
    await rm(all, { recursive: true, force: true });
  }
}

/**
 * The compiler leaves `./x.ts` in declarations; `./x.js` is what every resolution of every compiler since 4.7 finds.
 * @param {string} text
 */
function withJsImports(text) {
  const found = ts.preProcessFile(text).importedFiles.filter(({ fileName }) => fileName.startsWith('.'));
  let rewritten = text;
  // From the last to the first, so that the places of those before stay true.
  for (const { fileName, pos } of found.toSorted((a, b) => b.pos - a.pos)) {
    const start = rewritten.indexOf(fileName, pos);
    rewritten = rewritten.slice(0, start) + fileName.replace(/\.ts$/, '.js') + rewritten.slice(start + fileName.length);
  }
  return { text: rewritten, imports: found.map(({ fileName }) => fileName) };
}

/** @param {string} file */
async function checkSize(file) {
  const [{ size }, { length }] = await Promise.all([stat(file), readFile(file).then(gzipped)]);
  const measured = `${(length / 1024).toFixed(1)} KiB gzip (${length} bytes) of ${MAX_GZIP_BYTES / 1024} KiB`;
  if (length > MAX_GZIP_BYTES) {
    throw new Error(`The client library has become too large: client/tandem.js is ${measured}.`);
  }
  return `client/tandem.js: ${measured}; ${(size / 1024).toFixed(1)} KiB unpacked.`;
}

/** @param {unknown} reason */
function messageOf(reason) {
  return reason instanceof Error ? reason.message : String(reason);
}
