import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { RequestHandler } from 'express';
import helmet from 'helmet';

/**
 * What our pages never use is off, also for a script that should not be there. The camera reads pairing codes; a stream
 * of it in a video element asks nothing of the CSP. The clipboard and sharing are left as they are: for our own origin.
 * All of these are names that Chrome 100 knows; it complains about others in the console.
 */
const PERMISSIONS = [
  'camera=(self)',
  ...[
    'accelerometer',
    'display-capture',
    'geolocation',
    'gyroscope',
    'hid',
    'idle-detection',
    'magnetometer',
    'microphone',
    'midi',
    'payment',
    'serial',
    'usb',
    'xr-spatial-tracking',
  ].map((feature) => `${feature}=()`),
].join(', ');

/**
 * Headers that keep a page to itself. `'self'` in connect-src covers ws: and wss: of the same origin (CSP 3, all current
 * browsers). Nothing upgrades insecure requests: on a local network the page is served over plain HTTP.
 */
export function securityHeaders(isProduction: boolean): RequestHandler[] {
  const base = helmet({
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'self'"],
        scriptSrc: ["'self'"],
        scriptSrcAttr: ["'none'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        objectSrc: ["'none'"],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'none'"],
      },
    },
    strictTransportSecurity: false,
    xFrameOptions: { action: 'deny' },
  });
  const permissions: RequestHandler = (_request, response, next) => {
    response.setHeader('Permissions-Policy', PERMISSIONS);
    next();
  };
  if (!isProduction) return [base, permissions];
  const transport = helmet.strictTransportSecurity({
    maxAge: 365 * 24 * 60 * 60,
    // What else runs below this name is not ours to decide about, and may have no HTTPS.
    includeSubDomains: false,
  });
  return [
    base,
    permissions,
    (request, response, next) => {
      if (isHttps(request)) transport(request, response, next);
      else next();
    },
  ];
}

/**
 * The header of a proxy is believed from anybody here: a browser ignores HSTS on an answer that came over plain HTTP
 * (RFC 6797, 8.1), so a false one changes nothing.
 */
function isHttps(request: IncomingMessage): boolean {
  const forwarded = request.headers['x-forwarded-proto'];
  return request.socket instanceof TLSSocket || forwarded === 'https';
}
