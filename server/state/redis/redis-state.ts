import { setTimeout as delay } from 'node:timers/promises';
import { TandemError } from '../../../protocol/errors.ts';
import type { ActivityState } from '../../../protocol/session.ts';
import type { Timings } from '../../sessions/deadlines.ts';
import { closedText, openText, type Delivery } from '../../sessions/message-text.ts';
import type {
  Accepted,
  AppendRequest,
  AppendResult,
  ArchiveOutcome,
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
  StoredHead,
  TouchResult,
} from '../../sessions/ports.ts';
import { dropConnection } from '../../sessions/session.ts';
import type { Rule, SeatHolder, SessionDocument } from '../../sessions/session.ts';
import type { Guard, Redis, RedisSubscriber } from './client.ts';
import { DueSessions } from './due-sessions.ts';
import { HeadWatch, type MovedHead } from './head-watch.ts';
import type { Keys } from './keys.ts';
import { Lanes } from './lanes.ts';
import { LocalSessions } from './local-sessions.ts';
import { MessageChannel } from './message-channel.ts';
import { MessageLog, type LogAnswer } from './message-log.ts';
import { PartitionTallies } from './partition-tallies.ts';
import type { RedisLimits } from './redis-limits.ts';
import { Restoring } from './restoring.ts';
import { SessionChanges } from './session-changes.ts';
import { SessionNames } from './session-names.ts';
import { SessionRebuild } from './session-rebuild.ts';
import { StrangeCodes } from './strange-codes.ts';
import { SessionStore } from './session-store.ts';
import { UnheldSeats } from './unheld-seats.ts';

const REPAIR_PAGE = 500;
/** Redis answers or is given up within 2 s. */
const STOP_MS = 2500;

export interface RedisStateOptions {
  redis: Redis;
  /** Which primaries may be relied on; all of them where none is given. */
  guard?: Guard;
  /** Connections that listen; the state subscribes to the channel of its instance. */
  subscriber: RedisSubscriber;
  keys: Keys;
  instanceId: string;
  /** Called for every message that this instance appended, when it is stored. */
  onAppended: (message: Delivery) => void;
  /** Called for every message of a session with a seat that this instance holds, in the order of seq. */
  onMessage: MessageListener;
  /**
   * A session with a seat held here was changed elsewhere. `mayHaveMissed`: the way by which events come was broken, so
   * nobody here may have heard of it.
   */
  onChangedElsewhere: (snapshot: SessionSnapshot, mayHaveMissed: boolean) => void;
  /** Limits of an append in a cluster, where they lie in other slots than the session; null elsewhere. */
  clusterLimits: Pick<RedisLimits, 'takePoints' | 'giveBackAll'> | null;
  /** What a session is put back from when Redis has lost it, or a part of it. */
  archive: {
    readonly durable: Pick<
      DurableStore,
      'raiseEpoch' | 'loadSession' | 'recentSends' | 'findByCode' | 'findByKey' | 'closedAmong'
    >;
    /** Archives what Redis still has of a session. */
    readonly store: (sessionId: string) => Promise<ArchiveOutcome>;
    /** Unix ms of the deployment. */
    readonly now: () => number;
  };
  /** Whether all that the archive has of open sessions is in Redis, too, as far as is known; always where none is given. */
  isWhole?: () => boolean;
  /** Whether a connection here holds a seat of the session, whatever the store says. */
  isConnected?: (sessionId: string) => boolean;
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
  readonly #unguarded: SessionStore;
  readonly #names: SessionNames;
  readonly #lanes = new Lanes();
  readonly #local: LocalSessions;
  readonly #due: DueSessions;
  readonly #channel: MessageChannel;
  readonly #tallies: PartitionTallies;
  readonly #unheld: UnheldSeats;
  readonly #changes: SessionChanges;
  readonly #watch: HeadWatch;
  readonly #log: MessageLog;
  readonly #rebuilds: SessionRebuild;
  readonly #restoring: Restoring;
  readonly #strangeCodes: StrangeCodes;
  readonly #clock: () => string;
  readonly #maxBacklog: number;
  readonly #underWay = new Set<Promise<unknown>>();
  #isStopped = false;
  #isHealing = false;

  constructor(options: RedisStateOptions) {
    this.#options = options;
    const { redis, subscriber, keys, timings, retryHorizonMs, now, onMessage, onFault, instanceId } = options;
    const relied = guarded(redis, options.guard);
    this.#clock = now === undefined ? () => '' : () => String(now());
    this.#maxBacklog = options.maxBacklog ?? 200_000;
    this.#store = new SessionStore({ redis: relied, keys, timings, clock: this.#clock });
    const read = async (sessionId: string) => {
      const held = await this.#store.read(sessionId);
      return held === null ? null : { now: held.now, document: held.snapshot.document };
    };
    const recall = async (sessionId: string) => {
      const found = await read(sessionId);
      if (found !== null || (await this.#rebuilds.rebuild(sessionId, null)) === 'gone') return found;
      return read(sessionId);
    };
    const named = { keys, retryHorizonMs, clock: this.#clock, read, recall };
    this.#names = new SessionNames({ ...named, redis: relied });
    this.#local = new LocalSessions({
      onMessage,
      onFault,
      readAfter: (id, afterSeq) => this.#log.read(id, { afterSeq, limit: REPAIR_PAGE }),
      onContradiction: (id, epoch) => void this.replace(id, epoch).catch(onFault),
    });
    this.#due = new DueSessions({ redis: relied, keys, store: this.#store, timings, clock: this.#clock, onFault });
    this.#tallies = new PartitionTallies(redis, keys);
    this.#unheld = new UnheldSeats(instanceId);
    const { durable, store: archive, now: deploymentNow } = options.archive;
    // Past the guard: what was lost is put back before anybody may rely on the rest.
    this.#unguarded = new SessionStore({ redis, keys, timings, clock: this.#clock });
    this.#rebuilds = new SessionRebuild({
      ...{ redis, keys, durable, archive, timings, retryHorizonMs },
      store: this.#unguarded,
      names: new SessionNames({ ...named, redis }),
      clock: this.#clock,
      now: deploymentNow,
    });
    this.#strangeCodes = new StrangeCodes({ durable, now: deploymentNow });
    this.#restoring = new Restoring({
      ...{ redis, keys, durable, rebuilds: this.#rebuilds },
      clock: this.#clock,
      onRestored: (sessionId, epoch) => this.#leaveEpoch(sessionId, epoch),
      onFault,
    });
    const [store, names, local, tallies] = [this.#store, this.#names, this.#local, this.#tallies];
    const [unheld, rebuilds, lanes] = [this.#unheld, this.#rebuilds, this.#lanes];
    const tell = (listener: () => void) => this.#tell(listener);
    const isConnected = options.isConnected ?? (() => false);
    const onChangedElsewhere = (snapshot: SessionSnapshot, mayHaveMissed: boolean) =>
      tell(() => options.onChangedElsewhere(snapshot, mayHaveMissed));
    this.#changes = new SessionChanges({
      ...{ instanceId, store, names, local, tallies, unheld, rebuilds, tell, isConnected, onFault },
      onNewEpoch: (sessionId, over) => this.#leaveEpoch(sessionId, over),
      onStrange: (sessionId) => this.#watch.lookSoon(sessionId),
      onUntold: () => this.#channel.tellLost(),
      onUnheld: (snapshot) => onChangedElsewhere(snapshot, false),
    });
    this.#watch = new HeadWatch({
      ...{ redis, keys, instanceId, local, lanes, store, rebuilds, isConnected, onChangedElsewhere, onFault },
      isListening: () => subscriber.isReady(),
      releaseUnheld: () => unheld.release((sessionId, holder) => this.change(sessionId, dropConnection(holder))),
      onNewEpoch: (sessionId, over) => this.#leaveEpoch(sessionId, over),
    });
    this.#channel = new MessageChannel({
      redis,
      subscriber,
      keys,
      instanceId,
      onMessage: (message, sender, epoch) => this.#local.arrived(message, sender, epoch),
      onRepaired: () => this.#heal(),
      onLostElsewhere: () => this.#heal(),
    });
    this.#log = new MessageLog({
      ...{ keys, instanceId, timings, retryHorizonMs, onFault },
      redis: relied,
      channel: this.#channel,
      clusterLimits: options.clusterLimits,
      clock: this.#clock,
    });
    redis.onRecovered(() => this.#heal());
    redis.onPrimary(() => void this.#log.teach());
  }

  async start(): Promise<void> {
    await this.#log.teach();
    await this.#channel.start();
    await this.#tallies.refresh();
  }

  /** Nobody asks for anything new by then; what is under way, such as the ends of connections, is done first. */
  async stop(): Promise<void> {
    await Promise.race([this.#changed(), delay(STOP_MS, undefined, { ref: false })]);
    this.#isStopped = true;
    this.#local.stop();
    this.#channel.stop();
    this.#watch.stop();
  }

  create(document: SessionDocument, onVisible: (snapshot: SessionSnapshot) => void): Promise<CreateResult> {
    return this.#lanes.alone(document.id, () =>
      this.#guard(async () => {
        const key = document.seats[0]?.key ?? null;
        const sessionId = key === null ? null : await this.#findLostByKey(key.hash);
        return sessionId === null ? this.#changes.create(document, onVisible) : { kind: 'key_taken', sessionId };
      }),
    );
  }

  change<O>(
    sessionId: string,
    rule: Rule<O>,
    onVisible?: (outcome: O, snapshot: SessionSnapshot) => void,
  ): Promise<ChangeResult<O>> {
    const change = this.#lanes.alone(sessionId, () =>
      this.#guard(() => this.#changes.change(sessionId, rule, onVisible)),
    );
    this.#underWay.add(change);
    const done = () => void this.#underWay.delete(change);
    change.then(done, done);
    return change;
  }

  async read(sessionId: string): Promise<SessionSnapshot | null> {
    return this.#guard(async () => {
      const held = await this.#store.read(sessionId);
      if (held !== null) this.#noticed(sessionId, held.snapshot.document.epoch, held.version);
      return held?.snapshot ?? null;
    });
  }

  findByCode(code: string): Promise<string | null> {
    return this.#guard(async () => (await this.#names.findByCode(code)) ?? (await this.#findLostByCode(code)));
  }

  findByKey(keyHash: string): Promise<string | null> {
    return this.#guard(async () => (await this.#names.findByKey(keyHash)) ?? (await this.#findLostByKey(keyHash)));
  }

  countLiveCodes(): Promise<number> {
    return this.#guard(() => this.#names.countLiveCodes());
  }

  /** The way of each message, in one function: every promise less is felt. */
  async append(request: AppendRequest): Promise<AppendResult> {
    const { sessionId, sender, id, type, bodyJson } = request;
    const { before, leave } = this.#lanes.join(sessionId);
    try {
      if (before !== null) await before;
      this.#refuseWhenStopped();
      if (this.isBacklogFull) return await this.#findOnly(request);
      const text = openText({ sessionId, from: sender.seatId, id, type, bodyJson });
      const known = this.#local.epochOf(sessionId);
      const answer = await this.#log.append(request, text, this.#local.seenSeq(sessionId));
      if (answer.kind !== 'answered') return await this.#refused(request, answer, known);
      const { result, version } = answer;
      if (result.kind === 'appended') this.#appended(request, text, result, version);
      return result;
    } finally {
      leave();
    }
  }

  findSend(sessionId: string, seatId: string, id: string, fingerprint: string): Promise<FindSendResult> {
    return this.#guard(() => this.#findSend(sessionId, seatId, id, fingerprint));
  }

  readLog(sessionId: string, range: LogRange): Promise<LogPage | null> {
    return this.#guard(() => this.#log.read(sessionId, range));
  }

  recordReceipt(sessionId: string, holder: SeatHolder, receipt: Partial<Receipt>): Promise<ReceiptResult> {
    return this.#together(sessionId, () => this.#log.recordReceipt(sessionId, holder, receipt));
  }

  touch(sessionId: string, holder: SeatHolder, state?: ActivityState): Promise<TouchResult> {
    const idleWarningMs = String(this.#options.timings.idleWarningMs);
    return this.#together(sessionId, () => this.#log.touch(sessionId, holder, state ?? '', idleWarningMs));
  }

  reportIdle(sessionId: string, holder: SeatHolder): Promise<TouchResult> {
    return this.#together(sessionId, () => this.#log.touch(sessionId, holder, 'idle', ''));
  }

  takeDue(limit: number): Promise<DueSession[]> {
    return this.#guard(() => this.#due.take(limit, this.#tallies.owned));
  }

  /** Sessions with a seat that this instance holds, whose head or archive moved since the last call. */
  takeMovedHeads(): Promise<MovedHead[]> {
    return this.#guard(() => this.#watch.look(true));
  }

  probe(): Promise<void> {
    return this.#guard(() => this.#channel.probe());
  }

  counts(): StateCounts {
    return this.#tallies.counts();
  }

  /**
   * Redis may have lost what it had: compares with the heads of the archive, and puts back what is behind, because numbers
   * that the archive has would be given again. Gives what puts back the sessions that are missing: those with a connection
   * are also put back when they are next used, the others would never end without it.
   */
  compare(archived: AsyncIterable<readonly StoredHead[]>): Promise<() => Promise<void>> {
    return this.#guard(() => this.#restoring.compare(archived));
  }

  /** The archive contradicts what Redis has of the session: Redis has lost something and gave its numbers again. */
  async replace(sessionId: string, epoch: number): Promise<void> {
    const held = await this.#guard(() => this.#unguarded.read(sessionId));
    // What contradicted was of an older epoch: that has been mended.
    if (held === null || held.snapshot.document.closed !== null || held.snapshot.document.epoch > epoch) return;
    if ((await this.#rebuilds.rebuild(sessionId, epoch)) === 'open') this.#leaveEpoch(sessionId, epoch);
  }

  /** Another instance may have died with events that it had not told yet, or Redis was compared with the archive. */
  suspect(): void {
    this.#heal();
  }

  /** An event of this instance may not have reached the others: they are to look at the store. */
  eventsLost(): void {
    this.#channel.tellLost();
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

  async #findOnly({ sessionId, sender, id, fingerprint }: AppendRequest): Promise<AppendResult> {
    const found = await this.#findSend(sessionId, sender.seatId, id, fingerprint);
    if (found.kind === 'unknown') throw overloaded();
    return found;
  }

  #appended(
    { sessionId, sender, id }: AppendRequest,
    text: string,
    { seq, sentAt, epoch }: Accepted,
    version: number | undefined,
  ): void {
    if (version !== undefined) this.#noticed(sessionId, epoch, version);
    const json = closedText(text, seq, sentAt);
    const message: Delivery = { sessionId, from: sender.seatId, id, seq, sentAt, json };
    this.#tell(() => this.#options.onAppended(message));
    this.#local.appended(message, sender, epoch);
  }

  async #findSend(sessionId: string, seatId: string, id: string, fingerprint: string): Promise<FindSendResult> {
    const known = this.#local.epochOf(sessionId);
    let found = await this.#log.findSend(sessionId, seatId, id, fingerprint);
    if (found.kind === 'none') {
      const rebuilt = await this.#rebuilds.rebuild(sessionId, known);
      if (rebuilt === 'open' && known !== null) this.#leaveEpoch(sessionId, known);
      if (rebuilt !== 'gone') found = await this.#log.findSend(sessionId, seatId, id, fingerprint);
    }
    return found.kind === 'none' ? { kind: 'unknown' } : found;
  }

  /** What others changed is looked at when it shows here first, if it is not heard of by then. */
  #noticed(sessionId: string, epoch: number, version: number): void {
    if (this.#local.epochOf(sessionId) !== epoch || this.#local.versionOf(sessionId) === version) return;
    this.#watch.lookSoon(sessionId);
  }

  /**
   * A refusal may tell of a loss: then the session goes on under another epoch. Throws `UNAVAILABLE` in that case, because
   * the sender may repeat on the connection that it is about to make. `known`: the epoch that was known here when Redis
   * was asked.
   */
  async #refused(
    request: AppendRequest,
    answer: Exclude<LogAnswer, { kind: 'answered' }>,
    known: number | null,
  ): Promise<AppendResult> {
    const { sessionId } = request;
    if (answer.kind === 'not_seated' && (known === null || answer.epoch === known)) return { kind: 'not_seated' };
    // Under a later epoch than is known here it was put back already.
    const lost = answer.kind === 'none' ? null : (known ?? answer.epoch);
    if (answer.kind !== 'none' && lost !== null && answer.epoch <= lost) await this.#rebuilds.rebuild(sessionId, lost);
    if (answer.kind === 'none') {
      const rebuilt = await this.#rebuilds.rebuild(sessionId, known);
      if (rebuilt === 'gone') return { kind: 'no_such_session' };
      if (rebuilt === 'closed') return this.#repeated(request);
    }
    this.#leaveEpoch(sessionId, lost ?? known);
    throw new TandemError('UNAVAILABLE', 'The store has lost a part of this session: repeat with the same id.');
  }

  /** A closed session is under the epoch that its readers know: what they sent before is known again. */
  async #repeated({ sessionId, sender, id, fingerprint }: AppendRequest): Promise<AppendResult> {
    const found = await this.#log.findSend(sessionId, sender.seatId, id, fingerprint);
    return found.kind === 'duplicate' || found.kind === 'id_reused' ? found : { kind: 'session_closed' };
  }

  /** `over`: the latest epoch that is over. Those here may be in a later one by now. */
  #leaveEpoch(sessionId: string, over: number | null): void {
    const known = this.#local.epochOf(sessionId);
    if (known !== null && over !== null && known > over) return;
    this.#local.forget(sessionId);
    this.#tell(() => this.#options.onNewEpoch(sessionId));
  }

  /** A code that only the archive knows: of a session that Redis has lost. */
  async #findLostByCode(code: string): Promise<string | null> {
    const sessionId = await this.#strangeCodes.find(code);
    // One that Redis has knows better what became of its code.
    if (sessionId === null || (await this.#store.read(sessionId)) !== null) return null;
    return (await this.#rebuilds.rebuild(sessionId, null)) === 'gone' ? null : this.#names.findByCode(code);
  }

  /** A key that only the archive knows, as long as sessions that Redis has lost are being put back. */
  async #findLostByKey(keyHash: string): Promise<string | null> {
    const { isWhole = () => true, archive } = this.#options;
    if (isWhole()) return null;
    const sessionId = await archive.durable.findByKey(keyHash);
    if (sessionId === null) return null;
    // The name as well is put back with it.
    if ((await this.#store.read(sessionId)) === null) await this.#rebuilds.rebuild(sessionId, null);
    return this.#names.findByKey(keyHash);
  }

  /** Resolves when no change is under way. */
  async #changed(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
  }

  /** The way to Redis was broken: what was appended or published meanwhile may not have come. */
  #heal(): void {
    this.#watch.suspect();
    // One look at a time: several instances may say so at once.
    if (this.#isStopped || this.#isHealing) return;
    this.#isHealing = true;
    const heal = async () => {
      try {
        while (this.#watch.isSuspect && !this.#hasStopped()) await this.#watch.look(false);
      } catch (error) {
        // The next look at the heads is as close as this one was to be.
        this.#options.onFault(error);
      } finally {
        this.#isHealing = false;
      }
    };
    void heal();
  }

  /** A function, because the compiler does not see that it changes during an await. */
  #hasStopped(): boolean {
    return this.#isStopped;
  }

  #together<T>(sessionId: string, run: () => Promise<T>): Promise<T> {
    return this.#lanes.together(sessionId, () => this.#guard(run));
  }

  async #guard<T>(run: () => Promise<T>): Promise<T> {
    this.#refuseWhenStopped();
    return run();
  }

  #refuseWhenStopped(): void {
    if (this.#isStopped) throw new TandemError('UNAVAILABLE', 'The server is stopping: repeat on a new connection.');
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

function overloaded(): TandemError {
  return new TandemError('UNAVAILABLE', 'Too many messages wait for the archive: repeat later with the same id.', {
    retryAfterMs: 1000,
  });
}

/** The same Redis for those who rely on what it holds. */
function guarded(redis: Redis, guard: Guard | undefined): Redis {
  if (guard === undefined) return redis;
  return { ...redis, run: (script, keys, args) => redis.run(script, keys, args, guard) };
}
