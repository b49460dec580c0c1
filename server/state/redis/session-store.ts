import type { ActivityState } from '../../../protocol/session.ts';
import { nextDeadline, type Timings } from '../../sessions/deadlines.ts';
import type { Receipt, SessionSnapshot } from '../../sessions/ports.ts';
import { statusOf, type EndedSeat, type SessionDocument } from '../../sessions/session.ts';
import type { Redis } from './client.ts';
import { decodeDocument, encodeDocument } from './document-text.ts';
import type { Keys } from './keys.ts';
import { arrayOf, fieldsOf, numberOf, textOf } from './reply.ts';
import { loadScript } from './script.ts';

const READ = loadScript('read_session');
const STORE = loadScript('store_session');

/** How much longer keys live than the session could: what is not archived must outlive any outage of the archive. */
const SPARE_LIFE_MS = 7 * 86_400_000;

/** Of the flat fields: how many are putting the session back. As long as it is there nothing of the session changes. */
export const FENCE_FIELD = 'rb';

/** Milliseconds. Begins anew with each change, and with each look at a session's deadline. */
export function lifeOf({ ttlMs }: Pick<Timings, 'ttlMs'>): number {
  return ttlMs + SPARE_LIFE_MS;
}

/** A session as it was read, with what a store of its change is compared with. */
export interface HeldSession {
  readonly now: number;
  readonly version: number;
  readonly snapshot: SessionSnapshot;
  readonly idleWarned: boolean;
  readonly fields: ReadonlyMap<string, string>;
}

export interface PartitionCounts {
  readonly waiting: number;
  readonly paired: number;
  readonly online: number;
  readonly away: number;
  readonly backlog: number;
}

export type StoreResult =
  | {
      readonly kind: 'stored';
      readonly version: number;
      readonly lastSeq: number;
      readonly durableSeq: number;
      readonly lastActivityAt: number;
      readonly counts: PartitionCounts;
    }
  /** Somebody else stored another version meanwhile. */
  | { readonly kind: 'conflict' }
  | { readonly kind: 'too_late' };

/** What is written over a session that was read; `null` for a session that is new. */
export interface Change {
  readonly before: HeldSession | null;
  readonly document: SessionDocument;
  readonly lasting: boolean;
  readonly ended: readonly EndedSeat[];
  /** Redis time after which a new session is no longer made. */
  readonly by?: number;
}

export interface SessionStoreOptions {
  redis: Pick<Redis, 'run'>;
  keys: Keys;
  timings: Timings;
  /** Unix ms as text, or '' for the time of Redis. */
  clock: () => string;
}

/** Reads and stores documents of sessions, by compare-and-set on their version. */
export class SessionStore {
  readonly #options: SessionStoreOptions;

  constructor(options: SessionStoreOptions) {
    this.#options = options;
  }

  async read(sessionId: string): Promise<HeldSession | null> {
    const { redis, keys, clock } = this.#options;
    const { document, flat } = keys.session(sessionId);
    const [now, text, fields] = arrayOf(await redis.run(READ, [document, flat], [clock()]));
    return text === undefined ? null : heldSession(sessionId, numberOf(now), textOf(text), fieldsOf(fields));
  }

  async store({ before, document, lasting, ended, by }: Change): Promise<StoreResult> {
    const { redis, keys, clock, timings } = this.#options;
    const { id } = document;
    const session = keys.session(id);
    const partition = keys.partitionOf(id);
    const { set, remove } = changedFields(before, document);
    const instances = reliesOn(document);
    const left = [...reliesOn(before?.snapshot.document ?? null)].filter((instance) => !instances.has(instance));
    const deadline = nextDeadline(document, activityOf(before, document), timings);
    const reply = await redis.run(
      STORE,
      [
        ...[session.document, session.flat, session.log, partition.due, partition.unarchived, partition.counts],
        ...[session.ended, partition.held],
      ],
      [
        clock(),
        String(before?.version ?? 0),
        before !== null && gainsSeat(before.snapshot.document, document) ? String(before.snapshot.lastSeq) : '',
        encodeDocument(document),
        String(lifeOf(timings)),
        deadline === null ? '' : String(deadline.at),
        lasting ? 'lasting' : 'passing',
        JSON.stringify(changedCounts(before?.snapshot.document ?? null, document)),
        JSON.stringify(set),
        JSON.stringify(remove),
        JSON.stringify(ended.map((seat) => JSON.stringify(seat))),
        JSON.stringify([...instances]),
        JSON.stringify(left),
        id,
        by === undefined ? '' : String(by),
        String(timings.idleWarningMs),
      ],
    );
    const [outcome, version, lastSeq, durableSeq, lastActivityAt, counts] = arrayOf(reply);
    if (numberOf(outcome) === 0) return { kind: 'conflict' };
    if (numberOf(outcome) === -1) return { kind: 'too_late' };
    return {
      kind: 'stored',
      version: numberOf(version),
      lastSeq: numberOf(lastSeq),
      durableSeq: numberOf(durableSeq),
      lastActivityAt: numberOf(lastActivityAt),
      counts: countsOf(fieldsOf(counts)),
    };
  }
}

export function heldSession(
  sessionId: string,
  now: number,
  text: string,
  fields: ReadonlyMap<string, string>,
): HeldSession {
  const { version, ...flat } = flatFieldsOf(fields);
  const snapshot: SessionSnapshot = { document: decodeDocument(sessionId, text), ...flat };
  return { now, version, snapshot, idleWarned: fields.get('warned') === '1', fields };
}

/** What lies beside the document, so that it is read and written without it. */
export function flatFieldsOf(fields: ReadonlyMap<string, string>) {
  const receipts = new Map<string, Receipt>();
  const activity = new Map<string, ActivityState>();
  for (const [field, value] of fields) {
    if (field.startsWith('r:')) {
      const [delivered, read] = value.split(' ').map(Number);
      receipts.set(field.slice(2), { delivered: delivered ?? 0, read: read ?? 0 });
    } else if (field.startsWith('a:')) {
      activity.set(field.slice(2), value === 'idle' ? 'idle' : 'active');
    }
  }
  const number = (field: string) => numberOf(fields.get(field) ?? '0');
  return {
    version: number('v'),
    lastSeq: number('seq'),
    durableSeq: number('dseq'),
    lastActivityAt: number('act'),
    receipts,
    activity,
  };
}

export function countsOf(fields: ReadonlyMap<string, string>): PartitionCounts {
  const number = (field: string) => numberOf(fields.get(field) ?? '0');
  return {
    waiting: number('waiting'),
    paired: number('paired'),
    online: number('online'),
    away: number('away'),
    backlog: number('backlog'),
  };
}

/** Instances with a connection of the session. */
export function heldBy(document: SessionDocument | null): ReadonlySet<string> {
  const instances = new Set<string>();
  if (document === null || document.closed !== null) return instances;
  for (const { presence, instance } of document.seats) {
    if (presence === 'online' && instance !== null) instances.add(instance);
  }
  return instances;
}

/** Instances with a connection that waits to be let in. */
function knockedAt(document: SessionDocument | null): ReadonlySet<string> {
  if (document === null || document.closed !== null) return new Set();
  const waiting = (document.knocks ?? []).filter(({ answer }) => answer === null);
  return new Set(waiting.map(({ newcomer }) => newcomer.instance));
}

/** Instances whose death concerns the session. */
function reliesOn(document: SessionDocument | null): ReadonlySet<string> {
  return new Set([...heldBy(document), ...knockedAt(document)]);
}

/** What the hot path reads without decoding the document. */
function changedFields(before: HeldSession | null, document: SessionDocument): { set: string[]; remove: string[] } {
  const wanted = new Map<string, string>([
    ['open', document.closed === null ? '1' : '0'],
    ['epoch', String(document.epoch)],
    ['inst', [...heldBy(document)].join(' ')],
  ]);
  for (const { id, generation } of document.seats) wanted.set(`seat:${id}`, String(generation));
  const knocking = [...knockedAt(document)].join(' ');
  if (knocking !== '') wanted.set('knock', knocking);
  const set: string[] = [];
  for (const [field, value] of wanted) if (before?.fields.get(field) !== value) set.push(field, value);
  const remove: string[] = knocking === '' && before?.fields.has('knock') === true ? ['knock'] : [];
  const living = new Set(document.seats.map(({ id }) => id));
  for (const field of before?.fields.keys() ?? []) {
    const [kind, seatId] = field.split(':');
    if (seatId !== undefined && kind !== undefined && ['seat', 'r', 'a'].includes(kind) && !living.has(seatId)) {
      remove.push(field);
    }
  }
  return { set, remove };
}

/** A seat begins at the head: no message may slip between the look and the store. */
function gainsSeat(before: SessionDocument, after: SessionDocument): boolean {
  const known = new Set(before.seats.map(({ id }) => id));
  return after.seats.some(({ id }) => !known.has(id));
}

type Counted = 'waiting' | 'paired' | 'online' | 'away';

export function changedCounts(before: SessionDocument | null, after: SessionDocument): Record<Counted, number> {
  const [was, is] = [countOf(before), countOf(after)];
  return {
    waiting: is.waiting - was.waiting,
    paired: is.paired - was.paired,
    online: is.online - was.online,
    away: is.away - was.away,
  };
}

function countOf(document: SessionDocument | null): Record<Counted, number> {
  const counts = { waiting: 0, paired: 0, online: 0, away: 0 };
  if (document === null || document.closed !== null) return counts;
  counts[statusOf(document) === 'paired' ? 'paired' : 'waiting'] += 1;
  for (const { presence } of document.seats) counts[presence] += 1;
  return counts;
}

function activityOf(before: HeldSession | null, document: SessionDocument) {
  if (before === null) return { lastActivityAt: document.createdAt, idleWarned: false };
  return { lastActivityAt: before.snapshot.lastActivityAt, idleWarned: before.idleWarned };
}
