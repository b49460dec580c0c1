import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import WebSocket from 'ws';
import type { HandshakeAuth } from '../../protocol/commands.ts';
import { within } from './deadline.ts';
import { Mailbox } from './mailbox.ts';

const DEADLINE_MS = 10_000;

/** Stands for the end of the connection among the frames. */
export const CLOSED = 'closed';

interface UpgradeOptions {
  headers?: Record<string, string>;
  path?: string;
}

/** Frames as they are on the wire: for input that no client library would send. */
export class RawSocket {
  readonly ws: WebSocket;
  readonly frames = new Mailbox<string>((frame) => frame.slice(0, 60));
  /** The WebSocket's close code. */
  readonly closed: Promise<number>;
  #nextAckId = 0;

  private constructor(ws: WebSocket) {
    this.ws = ws;
    // A connection that is cut is a result here, not a fault.
    ws.on('error', () => undefined);
    ws.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary) return;
      const frame = data.toString('utf8');
      if (frame === '2') ws.send('3');
      else this.frames.put(frame);
    });
    this.closed = new Promise((resolve) => {
      ws.on('close', (code) => {
        this.frames.put(CLOSED);
        resolve(code);
      });
    });
  }

  /** An Engine.IO connection that has not yet entered the namespace. */
  static async open(url: string, options: UpgradeOptions = {}): Promise<RawSocket> {
    const socket = new RawSocket(new WebSocket(upgradeUrl(url, options.path), { headers: options.headers ?? {} }));
    const first = await socket.nextOrClosed((frame) => frame.startsWith('0{'), 'the handshake');
    if (first === CLOSED) throw new Error('the server ended the connection before its handshake');
    return socket;
  }

  /** A connection that commands can be sent on. */
  static async connect(url: string, auth: HandshakeAuth = {}): Promise<RawSocket> {
    const socket = await RawSocket.open(url);
    socket.send(`40${JSON.stringify(auth)}`);
    const answer = await socket.next((frame) => /^4[04]/.test(frame), 'the answer to CONNECT');
    if (answer.startsWith('44')) throw new Error(`the connection was refused: ${answer}`);
    return socket;
  }

  send(frame: string | Buffer): void {
    // The callback swallows writes to a connection that is already gone; `closed` tells of it.
    this.ws.send(frame, () => undefined);
  }

  /** The answer of a command, parsed. */
  async command(name: string, payload: unknown): Promise<unknown> {
    const id = this.#nextAckId++;
    this.send(`42${id}${JSON.stringify([name, payload])}`);
    const frame = await this.next((candidate) => candidate.startsWith(`43${id}[`), `the ack of ${name}`);
    const [answer] = JSON.parse(frame.slice(`43${id}`.length)) as unknown[];
    return answer;
  }

  next(matches: (frame: string) => boolean, what: string): Promise<string> {
    return this.frames.next(what, matches, DEADLINE_MS);
  }

  /** The wanted frame, or CLOSED when the server ends the connection instead. */
  nextOrClosed(matches: (frame: string) => boolean, what: string): Promise<string> {
    return this.next((frame) => frame === CLOSED || matches(frame), `${what}, or the end`);
  }

  /** Resolves when the server ended the connection. */
  async ended(): Promise<void> {
    await within(DEADLINE_MS, () => `the connection still stands; ${this.frames.all.slice(-5).join(' ')}`, this.closed);
  }

  async close(): Promise<void> {
    this.ws.terminate();
    await this.closed;
  }
}

export interface UpgradeAnswer {
  status: number;
  headers: IncomingMessage['headers'];
}

/** What the server answers to an upgrade: 101 when it takes it. */
export async function upgrade(url: string, options: UpgradeOptions = {}): Promise<UpgradeAnswer> {
  const ws = new WebSocket(upgradeUrl(url, options.path), { headers: options.headers ?? {} });
  ws.on('error', () => undefined);
  const opened = once(ws, 'open').then(() => ({ status: 101, headers: {} }));
  const refused = new Promise<UpgradeAnswer>((resolve) => {
    ws.on('unexpected-response', (_request, response) => {
      response.resume();
      resolve({ status: response.statusCode ?? 0, headers: response.headers });
    });
  });
  opened.catch(() => undefined);
  try {
    return await within(DEADLINE_MS, () => 'the upgrade was not answered', Promise.race([opened, refused]));
  } finally {
    ws.terminate();
  }
}

function upgradeUrl(url: string, path = '/socket.io/?EIO=4&transport=websocket'): string {
  return url.replace('http', 'ws') + path;
}
