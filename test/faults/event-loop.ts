import { once } from 'node:events';
import { WebSocket } from 'ws';
import { eventually } from '../support/eventually.ts';
import type { Instance } from './instance.ts';

/** What an instance is started with whose event loop is to be stalled. */
export const STALLABLE = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

/** Keeps the event loop of a real process busy through its debugger: the server needs no hook for it. */
export async function stall({ server }: Instance, ms: number): Promise<void> {
  const address = await eventually(() => {
    const found = /ws:\/\/127\.0\.0\.1:\d+\/[\w-]+/.exec(server.stderr())?.[0];
    return found === undefined ? Promise.reject(new Error('the debugger does not listen')) : Promise.resolve(found);
  });
  const debug = new WebSocket(address);
  try {
    await once(debug, 'open');
    const expression = `{ const end = performance.now() + ${ms}; while (performance.now() < end); }`;
    const answered = once(debug, 'message');
    debug.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }));
    await answered;
  } finally {
    debug.terminate();
  }
}
