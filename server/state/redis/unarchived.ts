import { createHash } from 'node:crypto';
import type { ArchiveSource, StoredMessage, UnarchivedSession } from '../../sessions/ports.ts';
import type { EndedSeat } from '../../sessions/session.ts';
import type { Redis } from './client.ts';
import { decodeDocument } from './document-text.ts';
import { PARTITIONS, type Keys, type PartitionKeys } from './keys.ts';
import { bodyOf } from '../../sessions/message-text.ts';
import { arrayOf, fieldsOf, numberOf, textOf } from './reply.ts';
import { loadScript, type Script } from './script.ts';
import { ScriptBatch } from './script-batch.ts';
import { flatFieldsOf } from './session-store.ts';
import { waitingPartitions } from './waiting-partitions.ts';

const TAKE = loadScript('take_unarchived');
const READ = loadScript('read_unarchived');
const SETTLE = loadScript('settle_archived');
const SET_ASIDE = loadScript('set_aside_unarchived');
const RELEASE = loadScript('release_unarchived');
const COUNT = loadScript('count_set_aside');
const FIND_CHANGED = loadScript('find_changed');

/** Of one session at once: with the longest bodies, hundreds of messages would be too much for one transaction. */
const BYTES = 512 * 1024;
/** Of all sessions that one call reads. */
const BYTES_TOGETHER = 1024 * 1024;
/** Each may bring hundreds of messages, and Redis does nothing else meanwhile. */
const READS_TOGETHER = 16;
const SETTLES_TOGETHER = 32;
/** How long a session that was taken is left to its archiver. */
const TAKEN_MS = 10_000;
/** Until the next try of a session that is refused; twice as long after each. */
const FIRST_ASIDE_MS = 60_000;
const LONGEST_ASIDE_MS = 600_000;
/** In a partition, when somebody asks what has changed: the script holds Redis up. */
const MOST_LOOKED_AT = 64;

export interface UnarchivedOptions {
  redis: Pick<Redis, 'kind' | 'run'>;
  keys: Keys;
  /** Messages of a session that stay in the hot log once they are archived. */
  hotMessages: number;
  /** How long a closed session is kept when all of it is archived. */
  closedLifeMs: number;
  /** Partitions that this instance works on. */
  owned: () => readonly number[];
  clock: () => string;
}

/** What Redis has and the archive does not. */
export class Unarchived implements ArchiveSource {
  readonly #options: UnarchivedOptions;

  readonly #reads: ScriptBatch;
  readonly #settles: ScriptBatch;

  constructor(options: UnarchivedOptions) {
    this.#options = options;
    const { redis, clock, hotMessages, closedLifeMs } = options;
    const run = (script: Script) => (keys: readonly string[], args: readonly string[]) => redis.run(script, keys, args);
    this.#reads = new ScriptBatch({
      run: run(READ),
      shared: () => [clock(), String(BYTES_TOGETHER)],
      most: READS_TOGETHER,
    });
    this.#settles = new ScriptBatch({
      run: run(SETTLE),
      shared: () => [clock(), String(hotMessages), String(closedLifeMs)],
      most: SETTLES_TOGETHER,
    });
  }

  async take(limit: number): Promise<{ sessionId: string; sinceMs: number }[]> {
    const { redis, keys, clock, owned } = this.#options;
    const indexOf = (partition: number) => keys.partition(partition).unarchived;
    const partitions = await waitingPartitions(redis, owned(), indexOf, clock());
    const each = String(Math.max(1, Math.ceil((2 * limit) / Math.max(1, partitions.length))));
    const lists = await Promise.all(
      partitions.map((partition) => redis.run(TAKE, [indexOf(partition)], [clock(), each, String(TAKEN_MS)])),
    );
    const taken: { sessionId: string; sinceMs: number }[] = [];
    for (const list of lists) {
      const [now, ...rest] = arrayOf(list);
      for (let index = 0; index + 1 < rest.length; index += 2) {
        const sinceMs = Math.max(0, numberOf(now) - numberOf(rest[index + 1]));
        taken.push({ sessionId: textOf(rest[index]), sinceMs });
      }
    }
    return taken;
  }

  async changed(limit: number): Promise<string[]> {
    const { redis, keys } = this.#options;
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => keys.partition(partition));
    // In a cluster they lie on several nodes.
    const groups = redis.kind === 'cluster' ? partitions.map((partition) => [partition]) : [partitions];
    const lists = await Promise.all(
      groups.map((group) => {
        const prefixes = group.map(({ flat }) => flat);
        return redis.run(
          FIND_CHANGED,
          group.map(({ unarchived }) => unarchived),
          [String(MOST_LOOKED_AT), ...prefixes],
        );
      }),
    );
    return lists.flatMap((list) => arrayOf(list).map(textOf)).slice(0, limit);
  }

  async read(sessionId: string, maxMessages: number): Promise<UnarchivedSession | null> {
    const { keys } = this.#options;
    const { document, flat, log, ended } = keys.session(sessionId);
    const partition = keys.partitionOf(sessionId);
    const names = [document, flat, log, ended, partition.unarchived, asideOf(partition)];
    const args = [sessionId, String(maxMessages), String(BYTES)];
    const reply = arrayOf(await this.#reads.call(this.#groupOf(partition), { keys: names, args }));
    return reply.length === 0 ? null : unarchivedOf(sessionId, reply);
  }

  settle(session: UnarchivedSession): Promise<'done' | 'more' | 'gone'> {
    return this.#settle(session, String(session.version));
  }

  async settlePart(session: UnarchivedSession): Promise<'settled' | 'gone'> {
    return (await this.#settle(session, '')) === 'gone' ? 'gone' : 'settled';
  }

  async setAside(sessionId: string, epoch: number | null, reason: string): Promise<'news' | 'known' | 'gone'> {
    const { redis, clock } = this.#options;
    // No text of a database in Redis, and none that is longer than another.
    const delays = [String(FIRST_ASIDE_MS), String(LONGEST_ASIDE_MS)];
    const values = [clock(), sessionId, epoch === null ? '' : String(epoch), digestOf(reason), ...delays];
    const outcome = numberOf(await redis.run(SET_ASIDE, this.#asideKeys(sessionId), values));
    return outcome === 1 ? 'news' : outcome === 0 ? 'known' : 'gone';
  }

  async release(sessionId: string): Promise<boolean> {
    const { redis, clock } = this.#options;
    return numberOf(await redis.run(RELEASE, this.#asideKeys(sessionId), [clock(), sessionId])) === 1;
  }

  async countAside(): Promise<number> {
    const { redis, keys } = this.#options;
    const names = Array.from({ length: PARTITIONS }, (_, partition) => asideOf(keys.partition(partition)));
    // In a cluster they lie on several nodes.
    const groups = redis.kind === 'cluster' ? names.map((name) => [name]) : [names];
    const counts = await Promise.all(groups.map((group) => redis.run(COUNT, group, [])));
    return counts.map(numberOf).reduce((sum, count) => sum + count, 0);
  }

  async #settle(session: UnarchivedSession, version: string): Promise<'done' | 'more' | 'gone'> {
    const { keys } = this.#options;
    const { sessionId, epoch, messages, ended, receipts, durableSeq } = session;
    const names = keys.session(sessionId);
    const partition = keys.partitionOf(sessionId);
    const reply = await this.#settles.call(this.#groupOf(partition), {
      keys: [
        ...[names.flat, names.log, names.ended, partition.unarchived, partition.counts, names.document],
        asideOf(partition),
      ],
      args: [
        ...[sessionId, String(epoch), String(messages.at(-1)?.seq ?? durableSeq), version],
        JSON.stringify(ended.map((seat) => JSON.stringify(seat))),
        ...[receiptsText(receipts), receiptsDigest(receipts)],
      ],
    });
    const outcome = numberOf(reply);
    return outcome === 1 ? 'done' : outcome === 0 ? 'more' : 'gone';
  }

  /** In a cluster, what goes together lies in one slot. */
  #groupOf({ unarchived }: PartitionKeys): string {
    return this.#options.redis.kind === 'cluster' ? unarchived : '';
  }

  #asideKeys(sessionId: string): string[] {
    const { keys } = this.#options;
    const partition = keys.partitionOf(sessionId);
    return [partition.unarchived, asideOf(partition), keys.session(sessionId).flat];
  }
}

/** Sessions that the archive refuses: epoch, tries, when the next one is, reason. Beside their marks, in their slot. */
export function asideOf({ unarchived }: Pick<PartitionKeys, 'unarchived'>): string {
  return `${unarchived}:aside`;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** Short, and nothing where there are none: it lies there for every session. */
function receiptsDigest(receipts: UnarchivedSession['receipts']): string {
  return receipts.size === 0 ? '' : digestOf(receiptsText(receipts)).slice(0, 12);
}

/** As `settle_archived.lua` writes them. */
function receiptsText(receipts: UnarchivedSession['receipts']): string {
  return [...receipts]
    .map(([seatId, { delivered, read }]) => `r:${seatId}=${delivered} ${read}`)
    .sort()
    .join(',');
}

function unarchivedOf(sessionId: string, reply: readonly unknown[]): UnarchivedSession {
  const [text, fieldList, entries, endings, wait] = reply;
  const fields = fieldsOf(fieldList);
  const { version, durableSeq, lastActivityAt, receipts } = flatFieldsOf(fields);
  const epoch = numberOf(fields.get('epoch') ?? '0');
  const [archivedVersion, archivedReceipts = ''] = (fields.get('arc') ?? '').split(' ');
  const archived = {
    document: archivedVersion === String(version),
    receipts: archivedReceipts === receiptsDigest(receipts),
  };
  const ended = arrayOf(endings).map((ending) => JSON.parse(textOf(ending)) as EndedSeat);
  const messages = messagesOf(sessionId, epoch, arrayOf(entries));
  const decoded = () => decodeDocument(sessionId, textOf(text));
  // Of a session of which only messages are new nobody looks at the document, and to decode it would be most of the work.
  let document = archived.document && messages.length > 0 && ended.length === 0 ? null : decoded();
  return {
    ...{ sessionId, epoch, version, lastActivityAt, receipts, ended, messages, durableSeq, archived },
    get document() {
      return (document ??= decoded());
    },
    asideMs: numberOf(wait) < 0 ? null : numberOf(wait),
  };
}

/** Of each entry its id, its time and its text. */
function messagesOf(sessionId: string, epoch: number, parts: readonly unknown[]): StoredMessage[] {
  const messages: StoredMessage[] = [];
  for (let index = 0; index + 2 < parts.length; index += 3) {
    const { id, from, type, bodyJson } = bodyOf(textOf(parts[index + 2]));
    const seq = Number.parseInt(textOf(parts[index]), 10);
    const participantId = from === 'server' ? null : from;
    const sentAt = numberOf(parts[index + 1]);
    messages.push({ sessionId, epoch, seq, id, participantId, type, bodyJson, sentAt });
  }
  return messages;
}
