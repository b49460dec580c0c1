import type { RequestHandler } from 'express';
import { TandemError } from '../../../protocol/errors.ts';

/** HTTP/1.1 asks for exactly one `Host`, and for a 400 to whoever sends none or several (RFC 9112, 3.2). */
export const hostGuard: RequestHandler = (request, _response, next) => {
  const count = request.headersDistinct.host?.length ?? 0;
  const isEnough = count === 1 || (count === 0 && request.httpVersion === '1.0');
  if (isEnough) {
    next();
    return;
  }
  const message = `expected one Host header, received ${count === 0 ? 'none' : 'several'}`;
  next(new TandemError('INVALID_PAYLOAD', undefined, { issues: [{ path: 'host', message }] }));
};
