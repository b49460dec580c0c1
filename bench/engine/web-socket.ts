import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

const FIN = 0x80;
const MASKED = 0x80;
const OPCODE = { continuation: 0x0, text: 0x1, close: 0x8, ping: 0x9, pong: 0xa } as const;
/** A key is required of a client (RFC 6455, 5.3); this one changes nothing, so that nothing has to be masked here. */
const KEY = '\0\0\0\0';
const END_OF_HEAD = '\r\n\r\n';
/** Of all sockets: what is in it is read before the next one is. What is kept of it is copied. */
const CHUNK = Buffer.allocUnsafe(65_536);
const NOTHING = Buffer.alloc(0);
const CLOSE_DEADLINE_MS = 2_000;

export interface WebSocketEvents {
  onText(text: string): void;
  /** Once. `reason` is what this side knows of it; null when the other side closed in order. */
  onClose(reason: string | null): void;
}

/**
 * The client's side of a WebSocket (RFC 6455) over an unencrypted socket, as far as a load needs it: no extensions, no binary frames. It
 * spends less than the library `ws` does, and the generator shares its processor with Redis.
 */
export class WebSocket {
  readonly #socket: Socket;
  readonly #events: WebSocketEvents;
  #rest: Buffer = NOTHING;
  #isOpen = false;
  #isClosed = false;
  #reason: string | null = null;
  /** Of a message in several frames. */
  #parts: Buffer[] = [];

  constructor(address: string, path: string, events: WebSocketEvents) {
    this.#events = events;
    const { hostname, port } = new URL(`ws://${address}`);
    this.#socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
      // Without the machinery of a stream.
      onread: {
        buffer: CHUNK,
        callback: (length, buffer) => {
          this.#read(Buffer.from(buffer.buffer, buffer.byteOffset, length));
          return true;
        },
      },
    });
    this.#socket.on('error', (error) => (this.#reason ??= error.message));
    this.#socket.on('close', () => {
      this.#isOpen = false;
      this.#isClosed = true;
      events.onClose(this.#reason);
    });
    const head = [
      `GET ${path} HTTP/1.1`,
      `Host: ${address}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
      'Sec-WebSocket-Version: 13',
    ];
    this.#socket.write(head.join('\r\n') + END_OF_HEAD);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(text: string): void {
    const bytes = Buffer.byteLength(text);
    const isAscii = bytes === text.length;
    if (isAscii) {
      this.#socket.write(headOf(OPCODE.text, bytes) + text, 'latin1');
    } else {
      this.#socket.write(headOf(OPCODE.text, bytes), 'latin1');
      this.#socket.write(text);
    }
  }

  /** In order; as it stands when the other side does not answer. */
  close(): void {
    this.#socket.write(headOf(OPCODE.close, 0), 'latin1');
    setTimeout(() => this.terminate(), CLOSE_DEADLINE_MS).unref();
  }

  terminate(): void {
    this.#socket.destroy();
  }

  /** `chunk` is overwritten as soon as this returns. */
  #read(chunk: Buffer): void {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    if (!this.#isOpen) {
      const end = data.indexOf(END_OF_HEAD);
      if (end !== -1) {
        this.#answered(data.toString('latin1', 0, end));
        data = data.subarray(end + END_OF_HEAD.length);
      }
    }
    let offset = 0;
    while (this.#isOpen) {
      const read = this.#readFrame(data, offset);
      if (read === null) break;
      offset = read;
    }
    this.#rest = offset === data.length ? NOTHING : Buffer.from(data.subarray(offset));
  }

  #answered(head: string): void {
    const status = /^HTTP\/1\.1 (\d{3})/.exec(head)?.[1];
    if (status === '101') {
      this.#isOpen = true;
      return;
    }
    this.#reason = `the upgrade was answered ${status ?? 'with something else than HTTP'}`;
    this.#socket.destroy();
  }

  /** Where the next frame begins; null when this one is not whole. */
  #readFrame(data: Buffer, start: number): number | null {
    if (data.length < start + 2) return null;
    const [first = 0, second = 0] = [data[start], data[start + 1]];
    let length = second & 0x7f;
    let offset = start + 2;
    if (length === 126) {
      if (data.length < start + 4) return null;
      length = data.readUInt16BE(offset);
      offset += 2;
    } else if (length === 127) {
      if (data.length < start + 10) return null;
      length = Number(data.readBigUInt64BE(offset));
      offset += 8;
    }
    const end = offset + length;
    if (data.length < end) return null;
    this.#take(first, data, offset, end);
    return end;
  }

  #take(first: number, data: Buffer, from: number, to: number): void {
    const opcode = first & 0x0f;
    const isWhole = (first & FIN) !== 0;
    switch (opcode) {
      case OPCODE.text:
        if (isWhole) this.#events.onText(data.toString('utf8', from, to));
        else this.#parts = [Buffer.from(data.subarray(from, to))];
        break;
      case OPCODE.continuation:
        this.#parts.push(Buffer.from(data.subarray(from, to)));
        if (isWhole) this.#events.onText(Buffer.concat(this.#parts.splice(0)).toString());
        break;
      case OPCODE.ping:
        this.#socket.write(headOf(OPCODE.pong, to - from), 'latin1');
        this.#socket.write(Buffer.from(data.subarray(from, to)));
        break;
      case OPCODE.close:
        this.#socket.end(headOf(OPCODE.close, 0), 'latin1');
        this.#isOpen = false;
        break;
      case OPCODE.pong:
        break;
      default:
        this.#reason = `a frame with opcode ${opcode} came, which a load has no use for`;
        this.#socket.destroy();
    }
  }
}

/** Head of a whole frame, each character a byte. */
function headOf(opcode: number, length: number): string {
  const first = String.fromCharCode(FIN | opcode);
  if (length < 126) return first + String.fromCharCode(MASKED | length) + KEY;
  if (length < 65_536) return first + String.fromCharCode(MASKED | 126, length >> 8, length & 0xff) + KEY;
  throw new Error(`expected a frame below 64 KiB, got ${length} bytes`);
}
