//@ts-check
/**
 * Serves the files of one directory, and nothing else. For trying out an example on your own network; on the internet,
 * let a web server that was made for it do this.
 */
import { createReadStream } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';

/** What browsers may see. A file of another kind is not served, so that nothing is given away by accident. */
const CONTENT_TYPES = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
]);

/**
 * @typedef {object} Site
 * @property {string} directory the files
 * @property {() => Record<string, string>} headers for every answer
 * @property {Record<string, () => string>} generated files that are not in the directory: their path, and their text
 */

/** @param {Site} site */
export function createStaticServer(site) {
  return createServer((request, response) => {
    answer(site, request, response).catch((/** @type {unknown} */ error) => {
      console.error(error);
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    });
  });
}

/**
 * @param {Site} site
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
async function answer(site, request, response) {
  for (const [name, value] of Object.entries(site.headers())) response.setHeader(name, value);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { Allow: 'GET, HEAD' }).end();
    return;
  }
  const name = nameIn(request.url ?? '/');
  const type = name === null ? undefined : CONTENT_TYPES.get(path.extname(name));
  const text = name === null ? undefined : site.generated[name]?.();
  const file = name === null || type === undefined ? null : await fileBelow(site.directory, name);
  if (type === undefined || (text === undefined && file === null)) {
    response.writeHead(404, { 'Content-Type': 'text/plain; charset=utf-8' }).end('There is no such file.\n');
    return;
  }
  response.writeHead(200, { 'Content-Type': type });
  if (request.method === 'HEAD') response.end();
  else if (text !== undefined) response.end(text);
  else if (file !== null)
    createReadStream(file)
      .on('error', (error) => response.destroy(error))
      .pipe(response);
}

/**
 * The path that is asked for, decoded; null when it is none.
 * @param {string} url
 */
function nameIn(url) {
  try {
    const name = decodeURIComponent(url.split(/[?#]/, 1)[0] ?? '');
    // NUL ends a path in the operating system, and a backslash separates its parts on Windows.
    if (!name.startsWith('/') || /[\0\\]/.test(name)) return null;
    return name.endsWith('/') ? `${name}index.html` : name;
  } catch {
    return null;
  }
}

/**
 * The file with this name if it lies below the directory: `..` must not lead out of it, nor a symbolic link.
 * @param {string} directory
 * @param {string} name
 */
async function fileBelow(directory, name) {
  const root = await realpath(directory);
  try {
    const file = await realpath(path.join(root, name));
    if (!file.startsWith(root + path.sep)) return null;
    return (await stat(file)).isFile() ? file : null;
  } catch {
    return null;
  }
}
