import type { RequestHandler } from 'express';

const METHODS = 'GET, HEAD, POST, DELETE';
const REQUEST_HEADERS = 'Authorization, Content-Type, X-API-Key, X-Request-Id';
const RESPONSE_HEADERS =
  'X-Request-Id, Retry-After, RateLimit, RateLimit-Policy, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset';
const PREFLIGHT_SECONDS = 600;

/**
 * Lets pages of exactly these origins read the answers; compared as whole strings, so that no suffix, case or port
 * variant passes. Cookies are never allowed, because nothing here uses them.
 */
export function cors(origins: '*' | readonly string[]): RequestHandler {
  const listed = origins === '*' ? null : new Set(origins);
  return (request, response, next) => {
    // An answer depends on the origin also when the origin is refused, or a cache would serve that to a listed one.
    if (listed !== null) response.vary('Origin');
    const origin = request.get('Origin');
    if (origin === undefined || (listed !== null && !listed.has(origin))) {
      next();
      return;
    }
    response.setHeader('Access-Control-Allow-Origin', listed === null ? '*' : origin);
    response.setHeader('Access-Control-Expose-Headers', RESPONSE_HEADERS);
    if (request.method !== 'OPTIONS' || request.get('Access-Control-Request-Method') === undefined) {
      next();
      return;
    }
    response.setHeader('Access-Control-Allow-Methods', METHODS);
    response.setHeader('Access-Control-Allow-Headers', REQUEST_HEADERS);
    response.setHeader('Access-Control-Max-Age', PREFLIGHT_SECONDS);
    response.status(204).end();
  };
}
