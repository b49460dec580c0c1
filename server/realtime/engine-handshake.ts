/** What Engine.IO and `ws` would refuse in ways of their own: HTML, no `X-Request-Id`, or only after taking an upgrade. */
import type { IncomingMessage } from 'node:http';
import type { Server as EngineServer } from 'engine.io';
import type { WebSocketServer } from 'ws';
import { refuseUpgrade, type Refusal } from './upgrade.ts';

/** Of Engine.IO. */
const PROTOCOL = '4';

export interface EngineRequest {
  readonly transport: string | null;
  /** Engine.IO's id of the transport that a request belongs to. */
  readonly id: string | null;
  readonly protocol: string | null;
}

/** As Engine.IO reads it: of what is there twice, the last counts, and an empty id is none. */
export function engineRequestOf({ url }: IncomingMessage): EngineRequest {
  const query = new Map(new URL(url ?? '/', 'http://localhost').searchParams);
  const id = query.get('sid') ?? '';
  return { transport: query.get('transport') ?? null, id: id === '' ? null : id, protocol: query.get('EIO') ?? null };
}

/** Why no connection begins or goes on with this; null when one does. */
export function handshakeFault(
  { method }: IncomingMessage,
  { transport, id, protocol }: EngineRequest,
  isOpen: (id: string) => boolean,
): Refusal | null {
  if (transport === 'websocket' && method !== 'GET') {
    return { code: 'METHOD_NOT_ALLOWED', detail: 'A WebSocket begins with GET.', headers: { Allow: 'GET' } };
  }
  if (protocol !== PROTOCOL) {
    return { code: 'INVALID_PAYLOAD', detail: `Connect with a client of Socket.IO 3 or 4: EIO=${PROTOCOL}.` };
  }
  if (id !== null && !isOpen(id)) {
    return { code: 'INVALID_PAYLOAD', detail: 'This connection is not open here: open another one, without sid.' };
  }
  return null;
}

/** `ws` answers a handshake that is wrong by itself, in HTML, unless somebody listens for it. */
export function refuseHandshakes(engine: EngineServer): void {
  const { ws } = engine as unknown as { ws?: WebSocketServer }; // Engine.IO's types hide it; none where it is not served.
  ws?.on('wsClientError', ({ message }, socket, request) => {
    // RFC 6455, 4.4: whoever speaks another version hears which one is spoken.
    const headers = { 'Sec-WebSocket-Version': '13' };
    refuseUpgrade(request, socket, { code: 'INVALID_PAYLOAD', detail: `${message}.`, headers });
  });
}
