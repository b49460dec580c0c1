import type { ActivityState, Message } from '../../../protocol/session.ts';
import type { Timings } from '../../sessions/deadlines.ts';
import type {
  Accepted,
  AppendRequest,
  AppendResult,
  FindSendResult,
  LogPage,
  LogRange,
  Receipt,
  ReceiptResult,
  TouchResult,
} from '../../sessions/ports.ts';
import type { SeatHolder } from '../../sessions/session.ts';
import type { Redis } from './client.ts';
import type { Keys } from './keys.ts';
import type { MessageChannel } from './message-channel.ts';
import { messageBytes, messageOf, openText } from './message-text.ts';
import type { RedisLimits, TakenPoints } from './redis-limits.ts';
import { arrayOf, fieldsOf, numberOf, textOf } from './reply.ts';
import { loadScript } from './script.ts';
import { lifeOf } from './session-store.ts';

const APPEND = loadScript('append_message');
const FIND_SEND = loadScript('find_send');
const READ_LOG = loadScript('read_log');
const RECEIPT = loadScript('record_receipt');
const TOUCH = loadScript('touch_session');

export interface MessageLogOptions {
  redis: Redis;
  keys: Keys;
  channel: Pick<MessageChannel, 'command' | 'nameFor'>;
  instanceId: string;
  clusterLimits: Pick<RedisLimits, 'takePoints' | 'giveBackAll'> | null;
  timings: Timings;
  retryHorizonMs: number;
  clock: () => string;
  onFault: (error: unknown) => void;
}

/**
 * An append as Redis answered it: the outcome, with the version of the document that it was decided by when it was
 * appended, or the word that the session is not what the caller knows.
 */
export type LogAnswer =
  | { readonly kind: 'answered'; readonly result: AppendResult; readonly version?: number }
  /** Redis has less than the caller has seen, another epoch than it may know, or nothing. */
  | { readonly kind: 'behind' | 'not_seated'; readonly epoch: number }
  | { readonly kind: 'none' };

/** What participants say, have received and do: scripts that decide by the flat fields alone, one round trip each. */
export class MessageLog {
  readonly #options: MessageLogOptions;

  constructor(options: MessageLogOptions) {
    this.#options = options;
  }

  /** A node that has to be sent a script first would run what came later before what came earlier. */
  async teach(): Promise<void> {
    const { redis } = this.#options;
    // One that cannot be asked now is taught when it is reached; and it can be sent the script then, too.
    await Promise.allSettled(
      [APPEND, FIND_SEND].map(({ source }) => redis.sendToPrimaries(['SCRIPT', 'LOAD', source])),
    );
  }

  /** `seenSeq`: the highest that somebody on this instance has seen of the session. */
  async append(request: AppendRequest, seenSeq: number): Promise<LogAnswer> {
    const { redis, keys, channel, instanceId, retryHorizonMs, timings, clusterLimits, clock } = this.#options;
    const { sessionId, sender, id, type, bodyJson, fingerprint, limits, span } = request;
    let taken: TakenPoints | null = null;
    if (clusterLimits !== null) {
      const found = await this.findSend(sessionId, sender.seatId, id, fingerprint);
      if (found.kind === 'none') return found;
      if (found.kind !== 'unknown') return { kind: 'answered', result: found };
      const verdict = await clusterLimits.takePoints(limits);
      if (verdict.kind === 'refused') {
        // The points may have gone to its own first try, which was on its way.
        const now = await this.findSend(sessionId, sender.seatId, id, fingerprint);
        const isKnown = now.kind !== 'unknown' && now.kind !== 'none';
        return { kind: 'answered', result: isKnown ? now : { ...verdict, kind: 'rate_limited' } };
      }
      taken = verdict;
    }
    const text = openText({ sessionId, from: sender.seatId, id, type, bodyJson });
    const session = keys.session(sessionId);
    const partition = keys.partitionOf(sessionId);
    const names = [session.flat, session.log, session.sends, partition.due, partition.unarchived, partition.counts];
    const args = [
      ...[clock(), sessionId, instanceId, sender.seatId, String(sender.generation), id, fingerprint, text],
      ...[String(retryHorizonMs), String(timings.idleWarningMs), String(lifeOf(timings))],
      ...[channel.command, channel.nameFor(sessionId), String(seenSeq)],
    ];
    if (clusterLimits === null) {
      for (const { info, bucket } of limits) {
        names.push(keys.limit(info.name, bucket));
        args.push(String(info.points), String(info.durationSeconds * 1000));
      }
    }
    const appending = span?.child('client', 'append_message', { operation: 'append_message', sessionId });
    if (appending !== undefined) args.push(appending.traceparent);
    const reply = redis.run(APPEND, names, args);
    appending?.endWith(reply);
    const [kind, ...rest] = arrayOf(await reply);
    if (kind !== 'appended' && taken !== null) {
      // Before the answer: whoever has it may send again at once.
      await clusterLimits?.giveBackAll(taken).catch(this.#options.onFault);
    }
    return answerOf(textOf(kind), rest, limits);
  }

  /** `none`: there is no such session. */
  async findSend(
    sessionId: string,
    seatId: string,
    id: string,
    fingerprint: string,
  ): Promise<FindSendResult | { readonly kind: 'none' }> {
    const { redis, keys, retryHorizonMs } = this.#options;
    const { flat, sends } = keys.session(sessionId);
    const args = [this.#options.clock(), seatId, id, fingerprint, String(retryHorizonMs)];
    const [kind, ...rest] = arrayOf(await redis.run(FIND_SEND, [flat, sends], args));
    if (kind === 'duplicate') return { kind, ...acceptedOf(rest) };
    return { kind: kind === 'reused' ? 'id_reused' : kind === 'none' ? kind : 'unknown' };
  }

  async read(sessionId: string, range: LogRange): Promise<LogPage | null> {
    const { redis, keys } = this.#options;
    const { flat, log } = keys.session(sessionId);
    const [side, from] = 'afterSeq' in range ? ['after', range.afterSeq] : ['before', range.beforeSeq];
    const limit = String(Math.max(1, range.limit));
    const reply = arrayOf(await redis.run(READ_LOG, [flat, log], [side, String(from), limit]));
    if (reply.length === 0) return null;
    const [epoch, lastSeq, durableSeq, firstSeq] = reply.slice(0, 4).map(numberOf);
    const found = arrayOf(reply[4]).map(loggedOf);
    if (side === 'before') found.reverse();
    return {
      epoch: epoch ?? 0,
      lastSeq: lastSeq ?? 0,
      durableSeq: durableSeq ?? 0,
      firstSeq: firstSeq ?? 0,
      messages: found.map(({ message }) => message),
      messageBytes: found.map(({ bytes }) => bytes),
    };
  }

  async recordReceipt(sessionId: string, holder: SeatHolder, receipt: Partial<Receipt>): Promise<ReceiptResult> {
    const { redis, keys } = this.#options;
    const names = [keys.session(sessionId).flat, keys.partitionOf(sessionId).unarchived];
    const { seatId, generation } = holder;
    const [delivered, read] = [receipt.delivered ?? 0, receipt.read ?? 0].map(String);
    const life = String(lifeOf(this.#options.timings));
    const args = [this.#options.clock(), sessionId, seatId, String(generation), delivered ?? '0', read ?? '0', life];
    const [kind, ...rest] = arrayOf(await redis.run(RECEIPT, names, args));
    if (kind === 'recorded') {
      const [delivers, reads, changed] = rest.map(numberOf);
      return { kind, receipt: { delivered: delivers ?? 0, read: reads ?? 0 }, changed: changed === 1 };
    }
    if (kind === 'above') return { kind: 'above_head', lastSeq: numberOf(rest[0]) };
    return { kind: kind === 'closed' ? 'session_closed' : 'not_seated' };
  }

  /** `idleWarningMs` is empty for what is no activity. */
  async touch(
    sessionId: string,
    { seatId, generation }: SeatHolder,
    state: ActivityState | '',
    idleWarningMs: string,
  ): Promise<TouchResult> {
    const { redis, keys } = this.#options;
    const names = [keys.session(sessionId).flat, keys.partitionOf(sessionId).due];
    const args = [this.#options.clock(), sessionId, seatId, String(generation), state, idleWarningMs];
    const kind = textOf(await redis.run(TOUCH, names, args));
    return { kind: kind === 'closed' ? 'session_closed' : kind === 'touched' ? kind : 'not_seated' };
  }
}

function acceptedOf(reply: readonly unknown[]): Accepted {
  const [seq = 0, sentAt = 0, epoch = 0, durableSeq = 0] = reply.map(numberOf);
  return { seq, sentAt, epoch, durableSeq };
}

function answerOf(kind: string, rest: readonly unknown[], limits: AppendRequest['limits']): LogAnswer {
  const answered = (result: AppendResult): LogAnswer => ({ kind: 'answered', result });
  switch (kind) {
    case 'appended':
      return { kind: 'answered', result: { kind, ...acceptedOf(rest) }, version: numberOf(rest[4]) };
    case 'duplicate':
      return answered({ kind, ...acceptedOf(rest) });
    case 'limited': {
      const [number = 0, retryAfterMs = 0] = rest.map(numberOf);
      const limit = limits[number - 1];
      if (limit === undefined) throw new RangeError(`Redis refused by limit ${number} of ${limits.length}`);
      return answered({ kind: 'rate_limited', limit: limit.info, retryAfterMs });
    }
    case 'reused':
      return answered({ kind: 'id_reused' });
    case 'closed':
      return answered({ kind: 'session_closed' });
    case 'not_seated':
    case 'behind':
      return { kind, epoch: numberOf(rest[0]) };
    case 'none':
      return { kind };
    default:
      throw new TypeError(`Expected the outcome of an append from Redis, received ${kind}`);
  }
}

function loggedOf(entry: unknown): { message: Message; bytes: number } {
  const [entryId, content] = arrayOf(entry);
  const seq = Number.parseInt(textOf(entryId), 10);
  const fields = fieldsOf(content);
  const text = fields.get('m') ?? '';
  return { message: messageOf(text, seq, Number(fields.get('a'))), bytes: messageBytes(text, seq) };
}
