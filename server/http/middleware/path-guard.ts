import type { RequestHandler } from 'express';
import { TandemError } from '../../../protocol/errors.ts';

/** Refuses paths that no route means: not decodable, with a NUL, or leading upwards, however they are spelled. */
export const pathGuard: RequestHandler = (request, _response, next) => {
  const fault = pathFault(request.path);
  if (fault === null) next();
  else next(new TandemError('INVALID_PAYLOAD', undefined, { issues: [{ path: 'path', message: fault }] }));
};

function pathFault(path: string): string | null {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return 'the percent-encoding is not UTF-8';
  }
  if (decoded.includes('\u0000')) return 'the character \\u0000 is not allowed';
  return /(?:^|[\\/])\.\.(?:[\\/]|$)/.test(decoded) ? 'a segment ".." is not allowed' : null;
}
