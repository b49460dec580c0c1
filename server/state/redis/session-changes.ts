import { TandemError } from '../../../protocol/errors.ts';
import type { ChangeResult, CreateResult, SessionSnapshot } from '../../sessions/ports.ts';
import type { Decision, Rule, SessionDocument } from '../../sessions/session.ts';
import type { KnownHead, LocalSessions } from './local-sessions.ts';
import type { PartitionTallies } from './partition-tallies.ts';
import type { SessionNames } from './session-names.ts';
import { beingRebuilt, type SessionRebuild } from './session-rebuild.ts';
import {
  FENCE_FIELD,
  heldBy,
  type Change,
  type HeldSession,
  type SessionStore,
  type StoreResult,
} from './session-store.ts';
import type { UnheldSeats } from './unheld-seats.ts';

/** Another instance changed the session in between, so often in turn: somebody is hammering it. */
const CHANGE_TRIES = 60;
/** It is lost again as soon as it was put back. */
const REBUILDS = 3;

export interface SessionChangesOptions {
  instanceId: string;
  store: SessionStore;
  names: SessionNames;
  local: LocalSessions;
  tallies: PartitionTallies;
  unheld: UnheldSeats;
  rebuilds: SessionRebuild;
  /** The session goes on under another epoch than the one that is known here. */
  onNewEpoch: (sessionId: string, over: number) => void;
  /** Others changed the session since it was last looked at here. */
  onStrange: (sessionId: string) => void;
  /** Whether a connection here holds a seat of the session. */
  isConnected: (sessionId: string) => boolean;
  /** The store says that no seat is held here, although a connection is. */
  onUnheld: (snapshot: SessionSnapshot) => void;
  /** It is not known whether a change was stored, and nobody was told of it. */
  onUntold: () => void;
  onFault: (error: unknown) => void;
  /** Calls a listener; what it throws is its fault and not the caller's. */
  tell: (listener: () => void) => void;
}

/** What rules decide of a session, stored by compare-and-set together with the names that lead to it. */
export class SessionChanges {
  readonly #options: SessionChangesOptions;

  constructor(options: SessionChangesOptions) {
    this.#options = options;
  }

  async create(document: SessionDocument, onVisible: (snapshot: SessionSnapshot) => void): Promise<CreateResult> {
    const { code } = document;
    const key = document.seats[0]?.key ?? null;
    // The code first: a key that was claimed for a session that is then not made keeps its next creation waiting.
    if (code !== null && !(await this.#options.names.claimCode(document.id, code))) return { kind: 'code_taken' };
    const claim = key === null ? null : await this.#options.names.claimKey(document.id, key.hash);
    if (claim?.kind === 'taken') {
      if (code !== null) await this.#options.names.releaseCode(document.id, code);
      return { kind: 'key_taken', sessionId: claim.sessionId };
    }
    this.#options.local.changing(document.id);
    let head: KnownHead | null = null;
    try {
      const by = claim === null ? {} : { by: claim.by };
      const stored = await this.#stored({ before: null, document, lasting: true, ended: [], ...by });
      if (stored.kind !== 'stored') throw new TandemError('UNAVAILABLE', 'The session could not be made: repeat.');
      this.#options.tallies.set(document.id, stored.counts);
      head = { epoch: document.epoch, ...stored };
      const { lastActivityAt } = stored;
      const snapshot = { ...emptySnapshot(document), lastActivityAt };
      this.#options.tell(() => onVisible(snapshot));
      return { kind: 'created', snapshot };
    } finally {
      if (head === null) this.#options.local.unchanged(document.id);
      else this.#options.local.changed(document.id, head, heldBy(document).has(this.#options.instanceId));
    }
  }

  async change<O>(
    sessionId: string,
    rule: Rule<O>,
    onVisible: ((outcome: O, snapshot: SessionSnapshot) => void) | undefined,
  ): Promise<ChangeResult<O>> {
    const known = this.#options.local.epochOf(sessionId);
    let hasLeft = false;
    let rebuilds = 0;
    this.#options.local.changing(sessionId);
    let told: { head: KnownHead; isHeld: boolean } | null = null;
    try {
      for (let attempt = 0; attempt < CHANGE_TRIES; attempt += 1) {
        const held = await this.#options.store.read(sessionId);
        const isLost = held === null || held.snapshot.document.epoch < (known ?? 0);
        // Whoever began to put it back may have died. A closed one is under its own epoch for good.
        const isFenced = held?.snapshot.document.closed === null && held.fields.has(FENCE_FIELD);
        const lostEpoch = isFenced ? Math.max(held.snapshot.document.epoch, known ?? 0) : known;
        if ((isLost || isFenced) && (await this.#rebuilt(sessionId, lostEpoch))) {
          rebuilds += 1;
          if (rebuilds >= REBUILDS) throw beingRebuilt();
          continue;
        }
        // Those who are connected here know an epoch that is over: they leave before anybody is seated in the new one.
        if (known !== null && !hasLeft && held?.snapshot.document.epoch !== known) {
          hasLeft = true;
          this.#options.onNewEpoch(sessionId, known);
        }
        if (held === null) {
          this.#options.local.forget(sessionId);
          return { kind: 'no_such_session' };
        }
        // This change makes the version known here, and with it would hide what others did before.
        const knows = known === null || known !== held.snapshot.document.epoch;
        if (!knows && held.version !== this.#options.local.versionOf(sessionId)) this.#options.onStrange(sessionId);
        const { lastSeq, lastActivityAt, document: before } = held.snapshot;
        const decision = rule(before, { now: held.now, lastSeq, lastActivityAt });
        const settled = await this.#settle(held, decision);
        if (settled === 'conflict') continue;
        if (settled === 'code_taken') return { kind: 'code_taken' };
        const { snapshot, version } = settled;
        const { document } = snapshot;
        await this.#options.local.reached(sessionId, { epoch: document.epoch, lastSeq: snapshot.lastSeq });
        this.#options.tell(() => onVisible?.(decision.outcome, snapshot));
        const head = { epoch: document.epoch, lastSeq: snapshot.lastSeq, durableSeq: snapshot.durableSeq, version };
        const isHeld = heldBy(document).has(this.#options.instanceId);
        // Taken for dead by others, while its connections live: it goes on hearing, and takes its seats back.
        const isConnected = document.closed === null && this.#options.isConnected(sessionId);
        told = { head, isHeld: isHeld || isConnected };
        if (!isHeld && isConnected) this.#options.tell(() => this.#options.onUnheld(snapshot));
        return { kind: 'decided', outcome: decision.outcome, snapshot };
      }
      throw new TandemError('UNAVAILABLE', 'The session is changed by too many at once: repeat.', {
        retryAfterMs: 100,
      });
    } finally {
      if (told === null) this.#options.local.unchanged(sessionId);
      else this.#options.local.changed(sessionId, told.head, told.isHeld);
    }
  }

  async #rebuilt(sessionId: string, known: number | null): Promise<boolean> {
    return (await this.#options.rebuilds.rebuild(sessionId, known)) !== 'gone';
  }

  /** Stores what a rule decided, with its names. */
  async #settle<O>(
    held: HeldSession,
    decision: Decision<O>,
  ): Promise<{ snapshot: SessionSnapshot; version: number } | 'conflict' | 'code_taken'> {
    if (decision.kind === 'keep') return { snapshot: held.snapshot, version: held.version };
    const { document, lasting, ended } = decision;
    const { document: before } = held.snapshot;
    const { id } = document;
    const fresh = document.code !== null && document.code.value !== before.code?.value ? document.code : null;
    if (fresh !== null && !(await this.#options.names.claimCode(id, fresh))) return 'code_taken';
    for (const { key } of document.seats) {
      if (key !== null && !before.seats.some((seat) => seat.key?.hash === key.hash)) {
        await this.#options.names.rememberKey(id, key.hash);
      }
    }
    const stored = await this.#stored({ before: held, document, lasting, ended });
    if (stored.kind !== 'stored') {
      if (fresh !== null) await this.#options.names.releaseCode(id, fresh);
      return 'conflict';
    }
    this.#options.tallies.set(id, stored.counts);
    if (before.code !== null && before.code.value !== document.code?.value) {
      // The change is stored, and a name means nothing once the session disagrees: a failure must not undo the answer.
      await this.#options.names.releaseCode(id, before.code).catch(this.#options.onFault);
    }
    const { lastSeq, durableSeq, lastActivityAt, version } = stored;
    return { snapshot: { ...held.snapshot, ...living(held, document), lastSeq, durableSeq, lastActivityAt }, version };
  }

  async #stored(change: Change): Promise<StoreResult> {
    try {
      return await this.#options.store.store(change);
    } catch (error) {
      this.#options.unheld.note(change.before?.snapshot.document ?? null, change.document);
      this.#options.onUntold();
      throw error;
    }
  }
}

/** The document as it is now, with receipts and activity of those who are still there. */
function living({ snapshot }: HeldSession, document: SessionDocument) {
  const seats = new Set(document.seats.map(({ id }) => id));
  const isLiving = ([seatId]: readonly [string, unknown]) => seats.has(seatId);
  return {
    document,
    receipts: new Map([...snapshot.receipts].filter(isLiving)),
    activity: new Map([...snapshot.activity].filter(isLiving)),
  };
}

function emptySnapshot(document: SessionDocument): SessionSnapshot {
  return {
    document,
    lastSeq: 0,
    durableSeq: 0,
    lastActivityAt: document.createdAt,
    receipts: new Map(),
    activity: new Map(),
  };
}
