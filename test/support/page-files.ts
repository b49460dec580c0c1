import { once } from 'node:events';
import { createServer } from 'node:http';

export type Files = Map<string, { body: Buffer; type: string }>;

/** The page and what it loads, by path. */
export async function filesOf(url: string): Promise<Files> {
  const files: Files = new Map();
  const load = async (file: string): Promise<string> => {
    const response = await fetch(new URL(file, url));
    const body = Buffer.from(await response.arrayBuffer());
    files.set(file, { body, type: response.headers.get('Content-Type') ?? '' });
    return body.toString();
  };
  const html = await load('/');
  for (const [, file] of html.matchAll(/"(\/assets\/[^"]+)"/g)) await load(String(file));
  return files;
}

/** Serves nothing but these files on the port; the returned function ends it. */
export async function serveFiles(port: number, files: Files): Promise<() => Promise<void>> {
  const server = createServer((request, response) => {
    const file = files.get(request.url ?? '');
    response.writeHead(file === undefined ? 503 : 200, { 'Content-Type': file?.type ?? 'text/plain' });
    response.end(file?.body);
  });
  server.on('upgrade', (_request, socket) => socket.destroy());
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
}
