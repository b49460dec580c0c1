import { stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Request, Response } from 'express';

/** A name that the bundler gave by the content, `app-3F2A9C1B.js`: it never changes its content. */
const HASHED_NAME = /-[A-Z0-9]{8}(?:\.[a-z0-9]+)+$/;

/** The client library: code that pages of any origin may load, and that holds nothing of ours. */
const PUBLIC_CODE: ReadonlySet<string> = new Set([
  '/client/tandem.js',
  '/client/tandem.js.map',
  '/client/account.js',
  '/client/account.js.map',
]);

/** Made by the build beside a file, the best first: what a client takes is sent instead of the file. */
const VARIANTS = [
  { coding: 'br', ending: '.br' },
  { coding: 'gzip', ending: '.gz' },
] as const;

/** Whether a file is there, and not only as a variant of another. `file` begins with a slash. */
export async function isStaticFile(webDir: string, file: string): Promise<boolean> {
  return !VARIANTS.some(({ ending }) => file.endsWith(ending)) && (await isFile(join(webDir, file)));
}

/** Answers with a file of the build; 304 to who has it. */
export async function sendStaticFile(
  webDir: string,
  file: string,
  request: Request,
  response: Response,
): Promise<void> {
  const variants = await Promise.all(VARIANTS.map(({ ending }) => isFile(join(webDir, file + ending))));
  const chosen = VARIANTS.find(({ coding }, index) => variants[index] === true && accepts(request, coding));
  if (variants.includes(true)) response.vary('Accept-Encoding');
  // By the name of the file itself, not by the ending of the variant.
  response.type(extname(file));
  response.sendFile(file + (chosen?.ending ?? ''), {
    root: webDir,
    acceptRanges: false,
    cacheControl: false,
    headers: {
      'Cache-Control': HASHED_NAME.test(file) ? 'public, max-age=31536000, immutable' : 'no-cache',
      ...(chosen === undefined ? {} : { 'Content-Encoding': chosen.coding }),
      ...(PUBLIC_CODE.has(file)
        ? { 'Access-Control-Allow-Origin': '*', 'Cross-Origin-Resource-Policy': 'cross-origin' }
        : {}),
    },
  });
}

/** One coding at a time: of several that it likes alike, Express would take the client's first, and that is gzip. */
function accepts(request: Request, coding: string): boolean {
  return request.acceptsEncodings(coding) !== false;
}

function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
