import { setTimeout as delay } from 'node:timers/promises';
import { TandemError } from '../../../protocol/errors.ts';
import type { ActivityState, Message } from '../../../protocol/session.ts';
import type { Timings } from '../../sessions/deadlines.ts';
import type {
  AppendRequest,
  AppendResult,
  ChangeResult,
  CreateResult,
  DueSession,
  DurableStore,
  FindSendResult,
  LogPage,
  LogRange,
  MessageListener,
  Receipt,
  ReceiptResult,
  SessionSnapshot,
  SessionState,
  StateCounts,
  TouchResult,
} from '../../sessions/ports.ts';
import type { Decision, Rule, SeatHolder, SessionDocument } from '../../sessions/session.ts';
import type { Redis, RedisSubscriber } from './client.ts';
import { DueSessions } from './due-sessions.ts';
import { partitionOf, type Keys } from './keys.ts';
import { Lanes } from './lanes.ts';
import { LocalSessions, type KnownHead, type LoggedMessages } from './local-sessions.ts';
import { MessageChannel } from './message-channel.ts';
import { messageBytes, messageOf, openText } from './message-text.ts';
import { PartitionTallies } from './partition-tallies.ts';
import { arrayOf, fieldsOf, numberOf, textOf } from './reply.ts';
import type { RedisLimits, TakenPoints } from './redis-limits.ts';
import { loadScript } from './script.ts';
import { SessionNames } from './session-names.ts';
import { SessionRebuild } from './session-rebuild.ts';
import { StrangeCodes } from './strange-codes.ts';
import { heldBy, lifeOf, SessionStore, type HeldSession } from './session-store.ts';

const APPEND = loadScript('append_message');
const FIND_SEND = loadScript('find_send');
const READ_LOG = loadScript('read_log');
const READ_HEADS = loadScript('read_heads');
const RECEIPT = loadScript('record_receipt');
const TOUCH = loadScript('touch_session');

/** Another instance changed the session in between, so often in turn: somebody is hammering it. */
const CHANGE_TRIES = 60;
/** Heads that one script looks at. */
const HEADS_AT_ONCE = 100;
const REPAIR_PAGE = 500;
const RESTORES_AT_ONCE = 8;
/** Redis answers or is given up within 2 s. */
const STOP_MS = 2500;

export interface RedisStateOptions {
  redis: Redis;
  /** Connections that listen; the state subscribes to the channel of its instance. */
  subscriber: RedisSubscriber;
  keys: Keys;
  instanceId: string;
  /** Called for every message that this instance appended, when it is stored. */
  onAppended: (message: Message) => void;
  /** Called for every message of a session with a seat that this instance holds, in the order of seq. */
  onMessage: MessageListener;
  /**
   * A session with a seat held here was changed elsewhere. `mayHaveMissed`: the way by which events come was broken, so
   * nobody here may have heard of it.
   */
  onChangedElsewhere: (snapshot: SessionSnapshot, mayHaveMissed: boolean) => void;
  /** Limits of an append in a cluster, where they lie in other slots than the session; null elsewhere. */
  clusterLimits: Pick<RedisLimits, 'takePoints' | 'giveBack'> | null;
  /** What a session is put back from when Redis has lost it, or a part of it. */
  archive: {
    readonly durable: Pick<DurableStore, 'raiseEpoch' | 'loadSession' | 'recentSends' | 'findByCode'>;
    /** Archives what Redis still has of a session; false when that did not work. */
    readonly store: (sessionId: string) => Promise<boolean>;
    /** Unix ms of the deployment. */
    readonly now: () => number;
  };
  /** The connections of the session that are held here know an epoch that is over. */
  onNewEpoch: (sessionId: string) => void;
  timings: Timings;
  retryHorizonMs: number;
  /** Unix ms for tests; the time of Redis otherwise. */
  now?: () => number;
  onFault: (error: unknown) => void;
  /** Messages that may wait for the archive before sends are refused. */
  maxBacklog?: number;
}

/** The hot state that instances share: decided by the pure rules, stored by compare-and-set, appended by one script. */
export class RedisState implements SessionState {
  readonly #options: RedisStateOptions;
  readonly #store: SessionStore;
  readonly #names: SessionNames;
  readonly #lanes = new Lanes();
  readonly #local: LocalSessions;
  readonly #due: DueSessions;
  readonly #channel: MessageChannel;
  readonly #tallies: PartitionTallies;
  readonly #rebuilds: SessionRebuild;
  readonly #strangeCodes: StrangeCodes;
  readonly #clock: () => string;
  readonly #maxBacklog: number;
  readonly #changes = new Set<Promise<unknown>>();
  #inFlight = 0;
  /** Whether events of other instances may have been lost since the last look. */
  #isSuspect = false;
  #isStopped = false;

  constructor(options: RedisStateOptions) {
    this.#options = options;
    const { redis, subscriber, keys, timings, retryHorizonMs, now, onMessage, onFault, instanceId } = options;
    this.#clock = now === undefined ? () => '' : () => String(now());
    this.#maxBacklog = options.maxBacklog ?? 200_000;
    this.#store = new SessionStore({ redis, keys, timings, clock: this.#clock });
    const read = async (sessionId: string) => {
      const held = await this.#store.read(sessionId);
      return held === null ? null : { now: held.now, document: held.snapshot.document };
    };
    this.#names = new SessionNames({ redis, keys, retryHorizonMs, clock: this.#clock, read });
    this.#local = new LocalSessions({ onMessage, onFault, readAfter: (id, after) => this.#readAfter(id, after) });
    this.#due = new DueSessions({ redis, keys, store: this.#store, timings, clock: this.#clock, onFault });
    this.#tallies = new PartitionTallies(redis, keys);
    const { durable, store: archive, now: deploymentNow } = options.archive;
    this.#rebuilds = new SessionRebuild({
      ...{ redis, keys, durable, archive, timings, retryHorizonMs },
      store: this.#store,
      names: this.#names,
      clock: this.#clock,
      now: deploymentNow,
    });
    this.#strangeCodes = new StrangeCodes({ durable, now: deploymentNow });
    this.#channel = new MessageChannel({
      redis,
      subscriber,
      keys,
      instanceId,
      onMessage: (message, sender, epoch) => this.#local.arrived(message, sender, epoch),
      onRepaired: () => this.#heal(),
    });
    redis.onRecovered(() => this.#heal());
    redis.onPrimary(() => void this.#teach());
  }

  async start(): Promise<void> {
    await this.#teach();
    await this.#channel.start();
    await this.#tallies.refresh();
  }

  /** Nobody asks for anything new by then; what is under way, such as the ends of connections, is done first. */
  async stop(): Promise<void> {
    await Promise.race([this.#changed(), delay(STOP_MS, undefined, { ref: false })]);
    this.#isStopped = true;
    this.#local.stop();
    this.#channel.stop();
  }

  create(document: SessionDocument, onVisible: (snapshot: SessionSnapshot) => void): Promise<CreateResult> {
    return this.#lanes.alone(document.id, () => this.#guard(() => this.#create(document, onVisible)));
  }

  change<O>(
    sessionId: string,
    rule: Rule<O>,
    onVisible?: (outcome: O, snapshot: SessionSnapshot) => void,
  ): Promise<ChangeResult<O>> {
    const change = this.#lanes.alone(sessionId, () => this.#guard(() => this.#change(sessionId, rule, onVisible)));
    this.#changes.add(change);
    const done = () => void this.#changes.delete(change);
    change.then(done, done);
    return change;
  }

  async read(sessionId: string): Promise<SessionSnapshot | null> {
    return this.#guard(async () => (await this.#store.read(sessionId))?.snapshot ?? null);
  }

  findByCode(code: string): Promise<string | null> {
    return this.#guard(async () => (await this.#names.findByCode(code)) ?? (await this.#findLostByCode(code)));
  }

  findByKey(keyHash: string): Promise<string | null> {
    return this.#guard(() => this.#names.findByKey(keyHash));
  }

  countLiveCodes(): Promise<number> {
    return this.#guard(() => this.#names.countLiveCodes());
  }

  append(request: AppendRequest): Promise<AppendResult> {
    return this.#lanes.together(request.sessionId, () => this.#guard(() => this.#append(request)));
  }

  async findSend(sessionId: string, seatId: string, id: string, fingerprint: string): Promise<FindSendResult> {
    const { redis, keys, retryHorizonMs } = this.#options;
    const { flat, sends } = keys.session(sessionId);
    const args = [this.#clock(), seatId, id, fingerprint, String(retryHorizonMs)];
    const [kind, ...rest] = arrayOf(await this.#guard(() => redis.run(FIND_SEND, [flat, sends], args)));
    if (kind === 'duplicate') return { kind, ...acceptedOf(rest) };
    return { kind: kind === 'reused' ? 'id_reused' : 'unknown' };
  }

  readLog(sessionId: string, range: LogRange): Promise<LogPage | null> {
    return this.#guard(() => this.#readLog(sessionId, range));
  }

  async recordReceipt(sessionId: string, holder: SeatHolder, receipt: Partial<Receipt>): Promise<ReceiptResult> {
    const { redis, keys } = this.#options;
    const names = [keys.session(sessionId).flat, keys.partitionOf(sessionId).unarchived];
    const { seatId, generation } = holder;
    const [delivered, read] = [receipt.delivered ?? 0, receipt.read ?? 0].map(String);
    const life = String(lifeOf(this.#options.timings));
    const args = [this.#clock(), sessionId, seatId, String(generation), delivered ?? '0', read ?? '0', life];
    const reply = await this.#together(sessionId, () => redis.run(RECEIPT, names, args));
    const [kind, ...rest] = arrayOf(reply);
    if (kind === 'recorded') {
      const [delivers, reads, changed] = rest.map(numberOf);
      return { kind, receipt: { delivered: delivers ?? 0, read: reads ?? 0 }, changed: changed === 1 };
    }
    if (kind === 'above') return { kind: 'above_head', lastSeq: numberOf(rest[0]) };
    return { kind: kind === 'closed' ? 'session_closed' : 'not_seated' };
  }

  touch(sessionId: string, holder: SeatHolder, state?: ActivityState): Promise<TouchResult> {
    return this.#touch(sessionId, holder, state ?? '', String(this.#options.timings.idleWarningMs));
  }

  reportIdle(sessionId: string, holder: SeatHolder): Promise<TouchResult> {
    return this.#touch(sessionId, holder, 'idle', '');
  }

  takeDue(limit: number): Promise<DueSession[]> {
    return this.#guard(() => this.#due.take(limit, this.#tallies.owned));
  }

  /** Sessions with a seat that this instance holds, whose head or archive moved since the last call. */
  takeMovedHeads(): Promise<{ sessionId: string; epoch: number; lastSeq: number; durableSeq: number }[]> {
    return this.#guard(() => this.lookAtHeads());
  }

  /**
   * Compares the sessions held here with the store, over the way of commands: what the channel lost is noticed and
   * healed. Gives the heads that moved since the last look.
   */
  async lookAtHeads(): Promise<{ sessionId: string; epoch: number; lastSeq: number; durableSeq: number }[]> {
    const moved: { sessionId: string; epoch: number; lastSeq: number; durableSeq: number }[] = [];
    const byPartition = new Map<number, string[]>();
    for (const id of this.#local.ids()) {
      const partition = partitionOf(id);
      const ids = byPartition.get(partition);
      if (ids === undefined) byPartition.set(partition, [id]);
      else ids.push(id);
    }
    const mayHaveMissed = this.#isSuspect;
    this.#isSuspect = false;
    try {
      for (const ids of byPartition.values()) {
        for (let from = 0; from < ids.length; from += HEADS_AT_ONCE) {
          moved.push(...(await this.#lookAt(ids.slice(from, from + HEADS_AT_ONCE), mayHaveMissed)));
        }
      }
    } catch (error) {
      // Those that were not looked at are looked at next time, and as closely.
      this.#isSuspect ||= mayHaveMissed;
      throw error;
    }
    return moved;
  }

  probe(): Promise<void> {
    return this.#guard(() => this.#channel.probe());
  }

  counts(): StateCounts {
    return this.#tallies.counts();
  }

  /**
   * Redis was emptied: puts back what the archive has open. Sessions with a connection are put back when they are next
   * used; without this, the others would never end.
   */
  async restore(sessions: readonly { readonly id: string; readonly epoch: number }[]): Promise<void> {
    const waiting = [...sessions];
    const work = async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        if (this.#isStopped) return;
        const isThere = (await this.#store.read(next.id)) !== null;
        if (!isThere && (await this.#rebuilds.rebuild(next.id, next.epoch))) this.#leaveEpoch(next.id);
      }
    };
    await Promise.all(Array.from({ length: RESTORES_AT_ONCE }, work));
  }

  /** Looks at the counts of the partitions that this instance answers for. */
  async refreshCounts(owned: readonly number[]): Promise<void> {
    await this.#tallies.refresh(owned);
  }

  /** The partitions whose background work is this instance's. */
  get ownedPartitions(): readonly number[] {
    return this.#tallies.owned;
  }

  /** Whether so many messages wait for the archive that no more are taken. */
  get isBacklogFull(): boolean {
    return this.#tallies.backlog >= this.#maxBacklog;
  }

  /** Commands on their way to Redis. */
  get inFlight(): number {
    return this.#inFlight;
  }

  async #create(document: SessionDocument, onVisible: (snapshot: SessionSnapshot) => void): Promise<CreateResult> {
    const { code } = document;
    const key = document.seats[0]?.key ?? null;
    // The code first: a key that was claimed for a session that is then not made keeps its next creation waiting.
    if (code !== null && !(await this.#names.claimCode(document.id, code))) return { kind: 'code_taken' };
    const claim = key === null ? null : await this.#names.claimKey(document.id, key.hash);
    if (claim?.kind === 'taken') {
      if (code !== null) await this.#names.releaseCode(document.id, code);
      return { kind: 'key_taken', sessionId: claim.sessionId };
    }
    this.#local.changing(document.id);
    let head: KnownHead | null = null;
    try {
      const by = claim === null ? {} : { by: claim.by };
      const stored = await this.#store.store({ before: null, document, lasting: true, ended: [], ...by });
      if (stored.kind !== 'stored') throw new TandemError('UNAVAILABLE', 'The session could not be made: repeat.');
      this.#tallies.set(document.id, stored.counts);
      head = { epoch: document.epoch, ...stored };
      const { lastActivityAt } = stored;
      const snapshot = { ...emptySnapshot(document), lastActivityAt };
      this.#tell(() => onVisible(snapshot));
      return { kind: 'created', snapshot };
    } finally {
      if (head === null) this.#local.unchanged(document.id);
      else this.#local.changed(document.id, head, this.#isHeldHere(document));
    }
  }

  async #change<O>(
    sessionId: string,
    rule: Rule<O>,
    onVisible: ((outcome: O, snapshot: SessionSnapshot) => void) | undefined,
  ): Promise<ChangeResult<O>> {
    this.#local.changing(sessionId);
    let told: { head: KnownHead; isHeld: boolean } | null = null;
    try {
      for (let attempt = 0; attempt < CHANGE_TRIES; attempt += 1) {
        const held = await this.#store.read(sessionId);
        if (held === null) {
          this.#local.forget(sessionId);
          if (attempt === 0 && (await this.#rebuilds.rebuild(sessionId, null))) continue;
          return { kind: 'no_such_session' };
        }
        const { lastSeq, lastActivityAt, document: before } = held.snapshot;
        const decision = rule(before, { now: held.now, lastSeq, lastActivityAt });
        const settled = await this.#settle(held, decision);
        if (settled === 'conflict') continue;
        if (settled === 'code_taken') return { kind: 'code_taken' };
        const { snapshot, version } = settled;
        const { document } = snapshot;
        await this.#local.reached(sessionId, { epoch: document.epoch, lastSeq: snapshot.lastSeq });
        this.#tell(() => onVisible?.(decision.outcome, snapshot));
        const head = { epoch: document.epoch, lastSeq: snapshot.lastSeq, durableSeq: snapshot.durableSeq, version };
        told = { head, isHeld: this.#isHeldHere(document) };
        return { kind: 'decided', outcome: decision.outcome, snapshot };
      }
      throw new TandemError('UNAVAILABLE', 'The session is changed by too many at once: repeat.', {
        retryAfterMs: 100,
      });
    } finally {
      if (told === null) this.#local.unchanged(sessionId);
      else this.#local.changed(sessionId, told.head, told.isHeld);
    }
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
    if (fresh !== null && !(await this.#names.claimCode(id, fresh))) return 'code_taken';
    for (const { key } of document.seats) {
      if (key !== null && !before.seats.some((seat) => seat.key?.hash === key.hash)) {
        await this.#names.rememberKey(id, key.hash);
      }
    }
    const stored = await this.#store.store({ before: held, document, lasting, ended });
    if (stored.kind !== 'stored') {
      if (fresh !== null) await this.#names.releaseCode(id, fresh);
      return 'conflict';
    }
    this.#tallies.set(id, stored.counts);
    if (before.code !== null && before.code.value !== document.code?.value) {
      await this.#names.releaseCode(id, before.code);
    }
    const { lastSeq, durableSeq, lastActivityAt, version } = stored;
    return { snapshot: { ...held.snapshot, ...living(held, document), lastSeq, durableSeq, lastActivityAt }, version };
  }

  async #append(request: AppendRequest): Promise<AppendResult> {
    const { redis, keys, instanceId, retryHorizonMs, timings, clusterLimits } = this.#options;
    const { sessionId, sender, id, type, bodyJson, fingerprint, limits } = request;
    if (this.isBacklogFull) {
      const found = await this.findSend(sessionId, sender.seatId, id, fingerprint);
      if (found.kind !== 'unknown') return found;
      throw overloaded();
    }
    let taken: TakenPoints | null = null;
    if (clusterLimits !== null) {
      const found = await this.findSend(sessionId, sender.seatId, id, fingerprint);
      if (found.kind !== 'unknown') return found;
      const verdict = await clusterLimits.takePoints(limits);
      if (verdict.kind === 'refused') {
        // The points may have gone to its own first try, which was on its way.
        const now = await this.findSend(sessionId, sender.seatId, id, fingerprint);
        return now.kind === 'unknown' ? { ...verdict, kind: 'rate_limited' } : now;
      }
      taken = verdict;
    }
    const text = openText({ sessionId, from: sender.seatId, id, type, bodyJson });
    const session = keys.session(sessionId);
    const partition = keys.partitionOf(sessionId);
    const names = [session.flat, session.log, session.sends, partition.due, partition.unarchived, partition.counts];
    const args = [
      ...[this.#clock(), sessionId, instanceId, sender.seatId, String(sender.generation), id, fingerprint, text],
      ...[String(retryHorizonMs), String(timings.idleWarningMs), String(lifeOf(timings))],
      ...[this.#channel.command, this.#channel.nameFor(sessionId), String(this.#local.seenSeq(sessionId))],
    ];
    if (clusterLimits === null) {
      for (const { info, bucket } of limits) {
        names.push(keys.limit(info.name, bucket));
        args.push(String(info.points), String(info.durationSeconds * 1000));
      }
    }
    const [kind, ...rest] = arrayOf(await redis.run(APPEND, names, args));
    if (kind !== 'appended') {
      // Before the answer: whoever has it may send again at once.
      if (taken !== null) await clusterLimits?.giveBack(taken).catch(this.#options.onFault);
      await this.#beginAnew(sessionId, textOf(kind), rest);
      return refusedOf(textOf(kind), rest, limits);
    }
    const accepted = acceptedOf(rest);
    const { seq, sentAt, epoch } = accepted;
    const sentAtText = new Date(sentAt).toISOString();
    const message: Message = { id, seq, sessionId, from: sender.seatId, type, body: request.body, sentAt: sentAtText };
    this.#tell(() => this.#options.onAppended(message));
    this.#local.appended(message, sender, epoch);
    return { kind, ...accepted };
  }

  /**
   * A refusal that tells of a loss: the session goes on under another epoch. Throws `UNAVAILABLE` then, because the sender
   * may repeat on the connection that it is about to make.
   */
  async #beginAnew(sessionId: string, kind: string, [epoch]: readonly unknown[]): Promise<void> {
    const known = this.#local.epochOf(sessionId);
    const isOver = kind === 'not_seated' && known !== null && numberOf(epoch) !== known;
    const isLost = kind === 'none' && (await this.#rebuilds.rebuild(sessionId, null));
    if (kind === 'behind') await this.#rebuilds.rebuild(sessionId, numberOf(epoch));
    else if (!isOver && !isLost) return;
    this.#leaveEpoch(sessionId);
    throw new TandemError('UNAVAILABLE', 'The store has lost a part of this session: repeat with the same id.');
  }

  #leaveEpoch(sessionId: string): void {
    this.#local.forget(sessionId);
    this.#tell(() => this.#options.onNewEpoch(sessionId));
  }

  /** A code that only the archive knows: of a session that Redis has lost. */
  async #findLostByCode(code: string): Promise<string | null> {
    const sessionId = await this.#strangeCodes.find(code);
    // One that Redis has knows better what became of its code.
    if (sessionId === null || (await this.#store.read(sessionId)) !== null) return null;
    return (await this.#rebuilds.rebuild(sessionId, null)) ? this.#names.findByCode(code) : null;
  }

  async #readLog(sessionId: string, range: LogRange): Promise<LogPage | null> {
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

  async #readAfter(sessionId: string, afterSeq: number): Promise<LoggedMessages | null> {
    return this.#readLog(sessionId, { afterSeq, limit: REPAIR_PAGE });
  }

  async #touch(
    sessionId: string,
    { seatId, generation }: SeatHolder,
    state: ActivityState | '',
    idleWarningMs: string,
  ): Promise<TouchResult> {
    const { redis, keys } = this.#options;
    const names = [keys.session(sessionId).flat, keys.partitionOf(sessionId).due];
    const args = [this.#clock(), sessionId, seatId, String(generation), state, idleWarningMs];
    const kind = textOf(await this.#together(sessionId, () => redis.run(TOUCH, names, args)));
    return { kind: kind === 'closed' ? 'session_closed' : kind === 'touched' ? kind : 'not_seated' };
  }

  async #lookAt(ids: readonly string[], mayHaveMissed: boolean) {
    const { redis, keys } = this.#options;
    const moved: { sessionId: string; epoch: number; lastSeq: number; durableSeq: number }[] = [];
    const names = ids.map((id) => keys.session(id).flat);
    // Before Redis is asked: what comes meanwhile is no loss.
    const seen = ids.map((id) => ({ epoch: this.#local.epochOf(id), seq: this.#local.seenSeq(id) }));
    const heads = arrayOf(await redis.run(READ_HEADS, names, [])).map(arrayOf);
    for (const [index, sessionId] of ids.entries()) {
      const [epoch, ...rest] = heads[index] ?? [];
      const before = seen[index] ?? { epoch: null, seq: 0 };
      if (epoch === null || epoch === undefined) {
        if (before.epoch !== null) await this.#rebuilds.rebuild(sessionId, null);
        this.#leaveEpoch(sessionId);
        continue;
      }
      const [lastSeq = 0, durableSeq = 0, version = 0] = rest.map(numberOf);
      const head = { epoch: numberOf(epoch), lastSeq, durableSeq };
      const isSame = before.epoch === head.epoch;
      if (isSame && lastSeq < before.seq) await this.#rebuilds.rebuild(sessionId, head.epoch);
      if (before.epoch !== null && (!isSame || lastSeq < before.seq)) {
        this.#leaveEpoch(sessionId);
        continue;
      }
      if (this.#local.compare(sessionId, { ...head, version })) moved.push({ sessionId, ...head });
      if (version !== this.#local.versionOf(sessionId)) await this.#lookAtDocument(sessionId, mayHaveMissed);
    }
    return moved;
  }

  /** In turn with the changes of this instance: what it tells of is never older than what was told before. */
  #lookAtDocument(sessionId: string, mayHaveMissed: boolean): Promise<void> {
    return this.#lanes.alone(sessionId, async () => {
      const held = await this.#store.read(sessionId);
      if (held === null || held.version === this.#local.versionOf(sessionId)) return;
      this.#local.setVersion(sessionId, held.version);
      this.#tell(() => this.#options.onChangedElsewhere(held.snapshot, mayHaveMissed));
      if (!this.#isHeldHere(held.snapshot.document)) this.#local.forget(sessionId);
    });
  }

  /** Resolves when no change is under way. */
  async #changed(): Promise<void> {
    while (this.#changes.size > 0) await Promise.allSettled(this.#changes);
  }

  /** A node that has to be sent a script first would run what came later before what came earlier. */
  async #teach(): Promise<void> {
    const { redis } = this.#options;
    // One that cannot be asked now is taught when it is reached; and it can be sent the script then, too.
    await Promise.allSettled(
      [APPEND, FIND_SEND].map(({ source }) => redis.sendToPrimaries(['SCRIPT', 'LOAD', source])),
    );
  }

  /** The way to Redis was broken: what was appended or published meanwhile may not have come. */
  #heal(): void {
    this.#isSuspect = true;
    if (!this.#isStopped) this.lookAtHeads().catch(this.#options.onFault);
  }

  #isHeldHere(document: SessionDocument): boolean {
    return heldBy(document).has(this.#options.instanceId);
  }

  #together<T>(sessionId: string, run: () => Promise<T>): Promise<T> {
    return this.#lanes.together(sessionId, () => this.#guard(run));
  }

  async #guard<T>(run: () => Promise<T>): Promise<T> {
    if (this.#isStopped) throw new TandemError('UNAVAILABLE', 'The server is stopping: repeat on a new connection.');
    this.#inFlight += 1;
    try {
      return await run();
    } finally {
      this.#inFlight -= 1;
    }
  }

  /** What listeners throw is their fault and not the caller's: what they were told of is stored. */
  #tell(listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#options.onFault(error);
    }
  }
}

function acceptedOf(reply: readonly unknown[]) {
  const [seq = 0, sentAt = 0, epoch = 0, durableSeq = 0] = reply.map(numberOf);
  return { seq, sentAt, epoch, durableSeq };
}

function refusedOf(kind: string, rest: readonly unknown[], limits: AppendRequest['limits']): AppendResult {
  switch (kind) {
    case 'duplicate':
      return { kind, ...acceptedOf(rest) };
    case 'limited': {
      const [number = 0, retryAfterMs = 0] = rest.map(numberOf);
      const limit = limits[number - 1];
      if (limit === undefined) throw new RangeError(`Redis refused by limit ${number} of ${limits.length}`);
      return { kind: 'rate_limited', limit: limit.info, retryAfterMs };
    }
    case 'reused':
      return { kind: 'id_reused' };
    case 'closed':
      return { kind: 'session_closed' };
    case 'not_seated':
      return { kind };
    case 'none':
      return { kind: 'no_such_session' };
    default:
      throw new TandemError('UNAVAILABLE', 'The store has lost messages of this session: repeat with the same id.');
  }
}

function loggedOf(entry: unknown): { message: Message; bytes: number } {
  const [entryId, content] = arrayOf(entry);
  const seq = Number.parseInt(textOf(entryId), 10);
  const fields = fieldsOf(content);
  const text = fields.get('m') ?? '';
  return { message: messageOf(text, seq, Number(fields.get('a'))), bytes: messageBytes(text, seq) };
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

function overloaded(): TandemError {
  return new TandemError('UNAVAILABLE', 'Too many messages wait for the archive: repeat later with the same id.', {
    retryAfterMs: 1000,
  });
}
