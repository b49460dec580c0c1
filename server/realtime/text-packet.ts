import type { Connection } from './connection.ts';

/** FIN and opcode 1 (RFC 6455, 5.2): a whole text message. Servers do not mask. */
const TEXT_FRAME = 0x81;
/** Of Engine.IO: a message. */
const MESSAGE = 0x34;
const SHORT = 126;
const MEDIUM = 65_536;

/** `readyState` of a WebSocket. */
const OPEN = 1;

/** Engine.IO's connection, as far as it says whether its WebSocket can be written to. Its own transport calls `sendFrame`. */
interface Link {
  readonly writeBuffer: readonly unknown[];
  readonly transport: {
    readonly name: string;
    readonly writable: boolean;
    readonly socket?: {
      readonly readyState: number;
      readonly bufferedAmount: number;
      readonly _sender?: { sendFrame(frame: readonly Buffer[]): void };
    };
  };
}

/** The text for whoever polls or has to wait, the frame for a WebSocket that can be written to at once. */
export interface TextPacket {
  readonly text: string;
  readonly frame: [Buffer];
}

/** `message:new`, encoded once for all who receive it; `json` is the message as it was stored, and is not parsed again. */
export function messagePacket(json: string): TextPacket {
  return textPacket(`2["message:new",${json}]`);
}

/**
 * A packet of Socket.IO as one buffer: `ws` writes header and payload of other messages apart, and the kernel is entered
 * the same number of times, but the stream's queue is not.
 */
export function textPacket(text: string): TextPacket {
  return { text, frame: [frameOf(text)] };
}

/**
 * To a connection whose handshake is done. Dropped when its transport is gone, as by `socket.emit`. A WebSocket that has
 * nothing to write is written to at once: packets, queues and events of Engine.IO on the way cost 5 us, and say nothing
 * that the connection's own end does not.
 */
export function sendPacket({ socket, isSlow }: Connection, { text, frame }: TextPacket): void {
  const { conn } = socket;
  if (!socket.connected || conn.readyState !== 'open') return;
  const { transport, writeBuffer } = conn as unknown as Link; // Engine.IO's types hide it.
  if (transport.name === 'websocket' && transport.socket !== undefined) {
    const { readyState, bufferedAmount, _sender: sender } = transport.socket;
    // After a Close frame nothing may follow (RFC 6455, 5.5.1).
    if (readyState !== OPEN) return;
    const isIdle = transport.writable && writeBuffer.length === 0 && bufferedAmount === 0;
    if (isIdle && !isSlow && sender !== undefined) {
      sender.sendFrame(frame);
      return;
    }
  }
  // Not as a frame: those that wait are written without a look at whether the connection was closed meanwhile.
  conn.write(text);
}

function frameOf(text: string): Buffer {
  const bytes = 1 + Buffer.byteLength(text);
  const headerBytes = bytes < SHORT ? 2 : bytes < MEDIUM ? 4 : 10;
  const frame = Buffer.allocUnsafe(headerBytes + bytes);
  frame[0] = TEXT_FRAME;
  if (headerBytes === 2) {
    frame[1] = bytes;
  } else if (headerBytes === 4) {
    frame[1] = SHORT;
    frame.writeUInt16BE(bytes, 2);
  } else {
    frame[1] = SHORT + 1;
    frame.writeUInt32BE(0, 2);
    frame.writeUInt32BE(bytes, 6);
  }
  frame[headerBytes] = MESSAGE;
  frame.write(text, headerBytes + 1);
  return frame;
}
