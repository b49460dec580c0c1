import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

/** Source maps are left as they are: only an opened debugger asks for them. */
const COMPRESSIBLE = /\.(?:html|js|css|svg)$/;

/** Below this an answer fits into one packet of a network anyway. */
const LEAST_BYTES = 1024;

/**
 * Writes `<file>.br` and `<file>.gz` beside each text file below a directory, where that saves anything. The server sends
 * them to clients that take them, and so compresses nothing while it runs.
 * @param {string} directory
 */
export async function compressFiles(directory) {
  const files = (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && COMPRESSIBLE.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name));
  await Promise.all(files.map(compressFile));
}

/** @param {string} file */
async function compressFile(file) {
  const content = await readFile(file);
  if (content.length < LEAST_BYTES) return;
  const variants = /** @type {const} */ ([
    [
      '.br',
      await promisify(brotliCompress)(content, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: content.length } }),
    ],
    ['.gz', await gzipped(content)],
  ]);
  for (const [ending, variant] of variants) {
    if (variant.length < content.length) await writeFile(file + ending, variant);
  }
}

/** @param {Uint8Array} content */
export function gzipped(content) {
  return promisify(gzip)(content, { level: constants.Z_BEST_COMPRESSION });
}
