import type { Connection } from './connection.ts';

/** Unsent bytes from which signals are dropped, and from which the connection is closed. */
const DROP_SIGNALS_BYTES = 256 * 1024;
const CLOSE_BYTES = 1024 * 1024;

export interface SlowReaderHooks {
  setSlow(connection: Connection, isSlow: boolean): void;
  onTooSlow(connection: Connection): void;
}

/**
 * Watches what a peer has not read: what waits in Engine.IO for its transport, and what waits in the WebSocket for the
 * kernel. Without a bound one paused reader grew a server by 544 MB. Returns how many bytes wait now.
 */
export function watchSlowReader(connection: Connection, hooks: SlowReaderHooks): () => number {
  const { conn } = connection.socket;
  let isSlow = false;
  const unsentBytes = countUnsent(conn, (unsent) => {
    if (unsent > CLOSE_BYTES) {
      hooks.onTooSlow(connection);
    } else if (unsent > DROP_SIGNALS_BYTES && !isSlow) {
      isSlow = true;
      hooks.setSlow(connection, true);
    }
  });
  const settle = () => {
    if (!isSlow || unsentBytes() > DROP_SIGNALS_BYTES / 2) return;
    isSlow = false;
    hooks.setSlow(connection, false);
  };
  conn.on('drain', settle);
  conn.on('heartbeat', settle);
  return unsentBytes;
}

/** Engine.IO's connection, as far as it tells what is sent. */
export interface Sending {
  readonly transport: unknown;
  on(event: 'packetCreate', listener: (packet: { data?: unknown }) => void): unknown;
  on(event: 'flush', listener: () => void): unknown;
}

/** Returns how many bytes the peer has not read; `onQueued` is told with each packet that waits. */
export function countUnsent(conn: Sending, onQueued: (unsentBytes: number) => void): () => number {
  let queuedBytes = 0;
  const unsentBytes = () => queuedBytes + transportBytes(conn.transport);
  conn.on('packetCreate', (packet) => {
    // What the transport takes at once waits nowhere: that is nearly every packet, and nothing to measure.
    if (isWritable(conn.transport) && transportBytes(conn.transport) === 0) return;
    queuedBytes += sizeOf(packet.data);
    onQueued(unsentBytes());
  });
  // All that was queued went to the transport, whose own buffer counts it from here.
  conn.on('flush', () => {
    queuedBytes = 0;
  });
  return unsentBytes;
}

function isWritable(transport: unknown): boolean {
  return (transport as { writable?: unknown }).writable === true;
}

/** Bytes that the WebSocket holds for the kernel; long polling keeps none of its own. */
function transportBytes(transport: unknown): number {
  const socket: unknown = (transport as { socket?: unknown }).socket;
  const buffered: unknown = (socket as { bufferedAmount?: unknown } | undefined)?.bufferedAmount;
  return typeof buffered === 'number' ? buffered : 0;
}

function sizeOf(data: unknown): number {
  if (typeof data === 'string') return Buffer.byteLength(data);
  return ArrayBuffer.isView(data) ? data.byteLength : 0;
}
