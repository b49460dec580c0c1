import { Router, type Request, type RequestHandler } from 'express';
import { isStaticFile, sendStaticFile } from '../static-file.ts';
import { methods } from './resource.ts';

const PAGE_NAME = /^[a-z0-9][a-z0-9-]*$/i;

/**
 * The pairing page, the operator's console, the documentation where it has been built, the client library, and the files that these use. What
 * has not been built is left to the handlers behind.
 */
export function pageRoutes(webDir: string): Router {
  const router = Router();
  const page = (pattern: string, fileOf: (name: string) => string | null) => {
    router.all(
      pattern,
      serve(webDir, pattern, (request) => fileOf(String(request.params.page))),
    );
  };
  page('/', () => '/index.html');
  page('/console', () => '/console.html');
  page('/docs', () => '/docs/index.html');
  page('/docs/:page', (name) => (PAGE_NAME.test(name) ? `/docs/${name}.html` : null));
  router.use(serve(webDir, 'static', (request) => visiblePath(request.path)));
  return router;
}

/** Hands the request on where there is no such file. To another method than GET and HEAD a file is not unknown: it is refused. */
function serve(webDir: string, label: string, fileOf: (request: Request) => string | null): RequestHandler {
  return async (request, response, next) => {
    const file = fileOf(request);
    if (file === null || !(await isStaticFile(webDir, file))) {
      next();
      return;
    }
    const handle = methods(label, { GET: () => sendStaticFile(webDir, file, request, response) });
    await handle(request, response, next);
  };
}

/** Path of a file that may be seen; the guard in front has made sure that it decodes and does not lead upwards. */
function visiblePath(path: string): string | null {
  const decoded = decodeURIComponent(path);
  return /[\\/]\./.test(decoded) ? null : decoded;
}
