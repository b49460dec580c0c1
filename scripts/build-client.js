/**
 * Builds the client library from client/ in its two forms:
 *
 *   dist/web/client/tandem.js    one ES module for browsers, Socket.IO's client inside; what the server serves
 *   dist/web/client/account.js   accounts, for applications that have them; imports tandem.js beside it
 *   dist/client/                 a package, for npm install and npm pack: index.js leaves Socket.IO's client to the
 *                                application's own bundler or to Node.js, account.js imports that; tandem.js is the
 *                                module above
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
const MAX_GZIP_BYTES = { 'tandem.js': 25 * 1024, 'account.js': 5 * 1024 };

const DEPENDENCY = 'socket.io-client';

/**
 * @param {{ dist: string, browsers: string[], entry?: string }} places
 * @returns {Promise<string>} about the sizes, for the log
 */
export async function buildClient({ dist, browsers, entry = 'client/index.ts' }) {
  const account = 'client/account.ts';
  const served = path.join(dist, 'web', 'client');
  const packed = path.join(dist, 'client');
  await mkdir(packed, { recursive: true });
  const manifest = await manifestOf();
  const parts = await Promise.allSettled([
    bundleForBrowsers(entry, path.join(served, 'tandem.js'), browsers, manifest),
    bundleForBrowsers(account, path.join(served, 'account.js'), browsers, manifest),
    bundleForPackage(entry, path.join(packed, 'index.js'), browsers),
    bundleForPackage(account, path.join(packed, 'account.js'), browsers),
    declare(path.join(packed, 'types')),
    writeFile(path.join(packed, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`),
    cp(path.join(root, 'client', 'README.md'), path.join(packed, 'README.md')),
    cp(path.join(root, 'LICENSE'), path.join(packed, 'LICENSE')),
  ]);
  const faults = parts.flatMap((part) => (part.status === 'rejected' ? [messageOf(part.reason)] : []));
  if (faults.length > 0) throw new Error(faults.join('\n'));
  for (const name of ['tandem.js', 'tandem.js.map']) await cp(path.join(served, name), path.join(packed, name));
  const sizes = Object.entries(MAX_GZIP_BYTES).map(([name, most]) => checkSize(path.join(served, name), most));
  return (await Promise.all(sizes)).join('\n');
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

/** @param {string} entry @param {string} file @param {string[]} browsers @param {{ name: string, version: string, license: string, dependencies: Record<string, string> }} manifest */
async function bundleForBrowsers(entry, file, browsers, { name, version, license, dependencies }) {
  const base = path.basename(file, '.js');
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [{ in: entry, out: base }],
    outdir: path.dirname(file),
    bundle: true,
    minify: true,
    sourcemap: 'external',
    format: 'esm',
    platform: 'browser',
    target: browsers,
    plugins: base === 'tandem' ? [lean] : [sharingErrors('./tandem.js')],
    write: false,
    logLevel: 'silent',
  });
  const [code, map] = ['.js', '.js.map'].map((end) => outputFiles.find((output) => output.path.endsWith(end))?.text);
  const others = base === 'tandem' ? `; with ${DEPENDENCY} ${dependencies[DEPENDENCY]}, MIT` : '';
  // A second pass: it folds what esbuild leaves, which is 3 % of what everybody downloads.
  const folded = await minify(code ?? '', {
    module: true,
    ecma: 2020,
    compress: { passes: 3, unsafe_arrows: true, pure_getters: true },
    format: { preamble: `/*! ${name} ${version}, ${license}${others} */` },
    sourceMap: { content: map ?? '', filename: `${base}.js`, url: `${base}.js.map` },
  });
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, folded.code ?? '');
  await writeFile(`${file}.map`, String(folded.map));
}

/**
 * Two modules of one library have one class of errors: `instanceof` must hold whichever of them it comes from.
 * @param {string} from the module that has it
 * @returns {import('esbuild').Plugin}
 */
const sharingErrors = (from) => ({
  name: 'sharing errors',
  setup(bundler) {
    bundler.onResolve({ filter: /\/protocol\/errors\.ts$/ }, () => ({ path: from, external: true }));
  },
});

/**
 * Leaves out what Socket.IO's client names and this library never uses, and no tree shaking takes: transports but
 * WebSocket, the change from one to another, and the wait before a reconnection that the library does by itself.
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
    bundler.onLoad({ filter: /engine\.io-client\/build\/esm\/socket\.js$/ }, async ({ path: file }) => {
      const text = await readFile(file, 'utf8');
      const contents = text.replace(/^ {4}_probe\(name\) \{$.*?^ {4}\}$/ms, '_probe() {}');
      if (contents === text) throw new Error(`${file} has no _probe(name) any more, which the build leaves out.`);
      return { contents };
    });
  },
};

/**
 * One file for browsers and Node.js alike: which of the two it runs on is decided by Socket.IO's client, whose own
 * package has a file for each, so there is no `browser` condition that could differ.
 * @param {string} entry @param {string} file @param {string[]} browsers
 */
async function bundleForPackage(entry, file, browsers) {
  await build({
    absWorkingDir: root,
    entryPoints: [entry],
    outfile: file,
    bundle: true,
    plugins: path.basename(file) === 'index.js' ? [] : [sharingErrors('./index.js')],
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
 * The declarations that an application can reach from the entries, and no others. They are checked without the types of
 * Node.js, because the tests bring those in when all of client/ is checked.
 * @param {string} outdir
 */
async function declare(outdir) {
  const all = await mkdtemp(path.join(tmpdir(), 'tandem-types-'));
  try {
    await runTsc('client/tsconfig.build.json', ['--outDir', all]);
    const waiting = ['index.d.ts', 'account.d.ts'].map((name) => path.join(all, 'client', name));
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

/** @param {string} file @param {number} most */
async function checkSize(file, most) {
  const [{ size }, { length }] = await Promise.all([stat(file), readFile(file).then(gzipped)]);
  const name = `client/${path.basename(file)}`;
  const measured = `${(length / 1024).toFixed(1)} KiB gzip (${length} bytes) of ${most / 1024} KiB`;
  if (length > most) throw new Error(`The client library has become too large: ${name} is ${measured}.`);
  return `${name}: ${measured}; ${(size / 1024).toFixed(1)} KiB unpacked.`;
}

/** @param {unknown} reason */
function messageOf(reason) {
  return reason instanceof Error ? reason.message : String(reason);
}
