import type { Connection } from './connection.ts';
import { sendPacket, textPacket } from './text-packet.ts';

/** Types of Socket.IO's packets (protocol 5), as the first character of their text. */
const [EVENT, BINARY_EVENT, BINARY_ACK] = [0x32, 0x35, 0x36];
const [ZERO, NINE, OPENING_BRACKET] = [0x30, 0x39, 0x5b];
/** Larger numbers of acks are left to Socket.IO: they are no longer told from their neighbours. */
const MOST_ID_DIGITS = 15;
const ATTACHMENTS = /^.(\d{1,2})-/;

type OnData = (data: unknown) => void;

export interface ShortWay {
  /** Whether a handler takes events of this name. */
  readonly knows: (name: unknown) => boolean;
  /** `[name, payload?, ack?]`, as Socket.IO would decode it. */
  readonly take: (packet: readonly unknown[]) => void;
}

/**
 * Takes plain events of known names past Socket.IO's decoder, emitters and middlewares, which cost more than all that is
 * done for a message behind them: some 10 us of 95 (docs/performance.md). Everything else, and whatever is not quite as
 * it should be, goes Socket.IO's own way, in the same order. On the wire there is no difference.
 *
 * Where Socket.IO listens in another way than this knows, nothing is changed.
 */
export function takeShortWay(connection: Connection, { knows, take }: ShortWay): void {
  const { socket } = connection;
  const { conn } = socket;
  const [longWay, ...others] = conn.listeners('data') as OnData[];
  if (longWay === undefined || others.length > 0) return;
  // Of a packet that is being put together: what comes in between is an error, which Socket.IO finds.
  let missingAttachments = 0;
  const onData: OnData = (data) => {
    if (typeof data !== 'string') {
      missingAttachments -= 1;
      longWay(data);
      return;
    }
    const type = data.charCodeAt(0);
    const packet = type === EVENT && missingAttachments <= 0 && socket.connected ? eventOf(data) : null;
    if (packet === null || !knows(packet.args[0])) {
      if (type === BINARY_EVENT || type === BINARY_ACK) missingAttachments = attachmentsOf(data);
      longWay(data);
      return;
    }
    const { id, args } = packet;
    if (id !== null) args.push(answerTo(connection, id));
    // As Socket.IO does it: what came before on the long way is taken before.
    process.nextTick(take, args);
  };
  conn.removeListener('data', longWay);
  conn.on('data', onData);
}

/** Socket.IO takes `0x2` and `1e0` for numbers, too: after a count that no client writes, all goes its way for good. */
function attachmentsOf(text: string): number {
  const [, count] = ATTACHMENTS.exec(text) ?? [];
  return count === undefined ? Number.POSITIVE_INFINITY : Number(count);
}

/** Null for what Socket.IO is to look at, and perhaps to refuse. */
function eventOf(text: string): { id: number | null; args: unknown[] } | null {
  let at = 1;
  while (text.charCodeAt(at) >= ZERO && text.charCodeAt(at) <= NINE) at += 1;
  if (at > MOST_ID_DIGITS || text.charCodeAt(at) !== OPENING_BRACKET) return null;
  try {
    const args: unknown = JSON.parse(text.slice(at));
    return Array.isArray(args) ? { id: at === 1 ? null : Number(text.slice(1, at)), args } : null;
  } catch {
    return null;
  }
}

/** An ack is sent once, however often it is called. */
function answerTo(connection: Connection, id: number): (outcome: unknown) => void {
  let isSent = false;
  return (outcome) => {
    if (isSent) return;
    const packet = textPacket(`3${id}[${JSON.stringify(outcome)}]`);
    // Not before: an outcome that is no JSON throws, and its caller answers that it failed.
    isSent = true;
    sendPacket(connection, packet);
  };
}
