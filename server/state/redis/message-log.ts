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
import type { Redis, RedisReply } from './client.ts';
import type { Keys } from './keys.ts';
import type { MessageChannel } from './message-channel.ts';
import { messageBytes, messageOf } from '../../sessions/message-text.ts';
import type { RedisLimits } from './redis-limits.ts';
import { arrayOf, fieldsOf, numberOf, textOf } from './reply.ts';
import { RedisReplyError, toCallerError } from './client-errors.ts';
import { loadScript } from './script.ts';
import { ScriptBatch } from './script-batch.ts';
import { beingRebuilt } from './session-rebuild.ts';
import { lifeOf } from './session-store.ts';

const APPEND = loadScript('append_message');
const FIND_SEND = loadScript('find_send');
const READ_LOG = loadScript('read_log');
const RECEIPT = loadScript('record_receipt');
const TOUCH = loadScript('touch_session');

/** 60 us each. */
const APPENDS_TOGETHER = 32;

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

  readonly #appends: ScriptBatch;

  constructor(options: MessageLogOptions) {
    this.#options = options;
    const { redis, channel, instanceId, retryHorizonMs, timings, clock } = options;
    const settings = [String(retryHorizonMs), String(timings.idleWarningMs), String(lifeOf(timings)), channel.command];
    this.#appends = new ScriptBatch({
      run: (names, args) => redis.run(APPEND, redis.kind === 'cluster' ? withAbsent(names) : names, args),
      shared: ({ args: [head = ''] }) => {
        const sessionId = head.slice(0, head.indexOf(' '));
        return [clock(), instanceId, ...settings, channel.nameFor(sessionId)];
      },
      most: APPENDS_TOGETHER,
    });
  }

  /** A node that has to be sent a script first would run what came later before what came earlier. */
  async teach(): Promise<void> {
    const { redis } = this.#options;
    // One that cannot be asked now is taught when it is reached; and it can be sent the script then, too.
    await Promise.allSettled(
      [APPEND, FIND_SEND].map(({ source }) => redis.sendToPrimaries(['SCRIPT', 'LOAD', source])),
    );
  }

  /**
   * `text`: the message by `openText`. `seenSeq`: the highest that somebody on this instance has seen of the session.
   */
  append(request: AppendRequest, text: string, seenSeq: number): Promise<LogAnswer> {
    const { clusterLimits } = this.#options;
    if (clusterLimits !== null) return this.#appendInCluster(request, text, seenSeq, clusterLimits);
    return this.#run(request, text, seenSeq, request.limits).then((reply) => answerOf(arrayOf(reply), request.limits));
  }

  /** Limits lie in other slots there: they are looked at before, and their points given back on a refusal. */
  async #appendInCluster(
    request: AppendRequest,
    text: string,
    seenSeq: number,
    clusterLimits: NonNullable<MessageLogOptions['clusterLimits']>,
  ): Promise<LogAnswer> {
    const { sessionId, sender, id, fingerprint, limits } = request;
    const found = await this.findSend(sessionId, sender.seatId, id, fingerprint);
    if (found.kind === 'none') return found;
    if (found.kind !== 'unknown') return { kind: 'answered', result: found };
    const taken = await clusterLimits.takePoints(limits);
    if (taken.kind === 'refused') {
      // The points may have gone to its own first try, which was on its way.
      const now = await this.findSend(sessionId, sender.seatId, id, fingerprint);
      const isKnown = now.kind !== 'unknown' && now.kind !== 'none';
      return { kind: 'answered', result: isKnown ? now : { ...taken, kind: 'rate_limited' } };
    }
    const reply = arrayOf(await this.#run(request, text, seenSeq, []));
    // Before the answer: whoever has it may send again at once.
    if (reply[0] !== 'appended') await clusterLimits.giveBackAll(taken).catch(this.#options.onFault);
    return answerOf(reply, limits);
  }

  #run(
    { sessionId, sender, id, fingerprint, span }: AppendRequest,
    text: string,
    seenSeq: number,
    limits: AppendRequest['limits'],
  ): Promise<RedisReply> {
    const { keys } = this.#options;
    const names = [keys.partitionOf(sessionId).flat + sessionId];
    const appending = span?.child('client', 'append_message', { operation: 'append_message', sessionId });
    // None of it holds a space: ids, hashes and numbers.
    let head = `${sessionId} ${sender.seatId} ${sender.generation} ${id} ${fingerprint} ${seenSeq} `;
    head += `${appending?.traceparent ?? '-'} ${limits.length}`;
    for (const { info, bucket, blockMs } of limits) {
      names.push(keys.limit(info.name, bucket));
      head += ` ${info.points} ${info.durationSeconds * 1000} ${blockMs}`;
    }
    const reply = this.#appends.call(this.#groupOf(sessionId), { keys: names, args: [head, text] });
    appending?.endWith(reply);
    return reply;
  }

  /** In a cluster, what goes together lies in one slot. */
  #groupOf(sessionId: string): string {
    const { redis, keys } = this.#options;
    return redis.kind === 'cluster' ? keys.partitionOf(sessionId).unarchived : '';
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
    // This may be the repetition of one that waits to go out.
    this.#appends.flush(this.#groupOf(sessionId));
    const reply = arrayOf(await redis.run(FIND_SEND, [flat, sends], args));
    const [kind] = reply;
    if (kind === 'duplicate') return { kind, ...acceptedOf(reply) };
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
    if (kind === 'rebuilding') throw beingRebuilt();
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

/**
 * With a key that nobody has, in their slot, behind all that the script looks at. While a slot moves to another node, the
 * script would be begun where the first key is, and stop halfway at one that is not there; with this one it is refused
 * before (TRYAGAIN), and sent again.
 */
function withAbsent(names: readonly string[]): string[] {
  return [...names, `${names[0] ?? ''}:absent`];
}

/** Of a reply whose first item says what became of the message. */
function acceptedOf(reply: readonly unknown[]): Accepted {
  const seq = numberOf(reply[1]);
  const sentAt = numberOf(reply[2]);
  const epoch = numberOf(reply[3]);
  const durableSeq = numberOf(reply[4]);
  return { seq, sentAt, epoch, durableSeq };
}

function answerOf(reply: readonly unknown[], limits: AppendRequest['limits']): LogAnswer {
  const kind = textOf(reply[0]);
  switch (kind) {
    case 'appended':
      return { kind: 'answered', result: { kind, ...acceptedOf(reply) }, version: numberOf(reply[5]) };
    case 'duplicate':
      return { kind: 'answered', result: { kind, ...acceptedOf(reply) } };
    case 'limited': {
      const number = numberOf(reply[1]);
      const limit = limits[number - 1];
      if (limit === undefined) throw new RangeError(`Redis refused by limit ${number} of ${limits.length}`);
      const result = { kind: 'rate_limited', limit: limit.info, retryAfterMs: numberOf(reply[2]) } as const;
      return { kind: 'answered', result };
    }
    case 'reused':
      return { kind: 'answered', result: { kind: 'id_reused' } };
    case 'closed':
      return { kind: 'answered', result: { kind: 'session_closed' } };
    case 'not_seated':
    case 'behind':
      return { kind, epoch: numberOf(reply[1]) };
    case 'none':
      return { kind };
    case 'failed':
      throw toCallerError(new RedisReplyError(textOf(reply[1])));
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
