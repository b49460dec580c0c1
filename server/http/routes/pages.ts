import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import express, { Router, type Request, type RequestHandler } from 'express';
import { contextOf } from '../middleware/request-context.ts';
import { methods } from './resource.ts';

/** A name that the bundler gave by the content, `app-3F2A9C1B.js`: it never changes its content. */
const HASHED_NAME = /-[A-Z0-9]{8}(?:\.[a-z0-9]+)+$/;

const PAGE_NAME = /^[a-z0-9][a-z0-9-]*$/i;

/** The pairing page, the documentation where it has been built, and the files that both use. */
export function pageRoutes(webDir: string): Router {
  const router = Router();
  const page = (pattern: string, fileOf: (name: string) => string | null) => {
    router.all(
      pattern,
      onlyWhere(webDir, (request) => fileOf(String(request.params.page)), sendPage(webDir, pattern)),
    );
  };
  page('/', () => 'index.html');
  page('/docs', () => 'docs/index.html');
  page('/docs/:page', (name) => (PAGE_NAME.test(name) ? `docs/${name}.html` : null));
  router.use(files(webDir));
  // A file that exists is not unknown to another method: it does not serve it.
  router.use(onlyWhere(webDir, (request) => visiblePath(request.path), otherMethods));
  return router;
}

const otherMethods = (): RequestHandler =>
  methods('static', {
    GET: (_request, _response, next) => {
      next();
    },
  });

type SendFile = (file: string) => RequestHandler;

/** Hands the request on where there is no such file. */
function onlyWhere(webDir: string, fileOf: (request: Request) => string | null, send: SendFile): RequestHandler {
  return async (request, response, next) => {
    const file = fileOf(request);
    if (file === null || !(await isFile(join(webDir, file)))) next();
    else await send(file)(request, response, next);
  };
}

function sendPage(webDir: string, pattern: string): SendFile {
  return (file) =>
    methods(pattern, {
      GET: (_request, response) => {
        response.sendFile(file, {
          root: webDir,
          acceptRanges: false,
          cacheControl: false,
          headers: { 'Cache-Control': 'no-cache' },
        });
      },
    });
}

function files(webDir: string): RequestHandler {
  return express.static(webDir, {
    index: false,
    redirect: false,
    dotfiles: 'ignore',
    acceptRanges: false,
    cacheControl: false,
    setHeaders: (response, path) => {
      contextOf(response).route = 'static';
      const cache = HASHED_NAME.test(path) ? 'public, max-age=31536000, immutable' : 'no-cache';
      response.setHeader('Cache-Control', cache);
    },
  });
}

/** Path of a file that may be seen; the guard in front has made sure that it decodes and does not lead upwards. */
function visiblePath(path: string): string | null {
  const decoded = decodeURIComponent(path);
  return /[\\/]\./.test(decoded) ? null : decoded;
}

async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (found) => found.isFile(),
    () => false,
  );
}
