/** A Data API of which a test says what it answers: for what a real one does only when it is ill. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface DataApi {
  readonly url: string;
  /** Paths that were asked for, oldest first. */
  readonly requests: readonly string[];
  answer(handler: (response: ServerResponse, request: IncomingMessage) => void): void;
  close(): Promise<void>;
}

export async function startDataApi(): Promise<DataApi> {
  const requests: string[] = [];
  let handle: (response: ServerResponse, request: IncomingMessage) => void = (response) => response.end('null');
  const server = createServer((request, response) => {
    requests.push(request.url ?? '');
    request.resume();
    request.on('end', () => handle(response, request));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer: (handler) => {
      handle = handler;
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
