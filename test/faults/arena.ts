import { within } from '../support/deadline.ts';
import { eventually } from '../support/eventually.ts';
import type { Random } from '../support/random.ts';
import { checkSession } from './checker.ts';
import { Clients } from './clients.ts';
import type { Pair } from './clients.ts';
import { Deployment } from './deployment.ts';
import type { DeploymentOptions } from './deployment.ts';
import { EXPECTED } from './evidence.ts';
import type { Expectations, SessionEvidence, Standing } from './evidence.ts';
import { Talking } from './recorder.ts';
import type { Recorder } from './recorder.ts';
import { readPostgres, readPostgresStanding, readRedisLog, readRedisStanding } from './stores.ts';
import { checkProcesses, SERVER } from './system-checks.ts';
import { Verdict } from './verdict.ts';

/** Far beyond what a healed deployment needs: they decide how long a failing run takes. */
const SETTLE_MS = 30_000;
const TALK_MS = 60_000;
const ARCHIVE_MS = 15_000;
const HISTORY_MS = 5_000;

export interface TalkOptions {
  readonly pairs: number;
  /** Messages per second over all clients. */
  readonly perSecond: number;
  /** How long a client may take to have everything in the end. */
  readonly settleMs?: number;
  readonly say?: (line: string) => void;
}

export interface ArenaOptions extends DeploymentOptions, TalkOptions {}

/** Where a fault takes place: a deployment, clients that talk across it, and in the end the verdict. */
export class Arena {
  readonly deployment: Deployment;
  readonly clients: Clients;
  readonly random: Random;
  readonly startedAt = performance.now();
  /** What a scenario itself found wrong. */
  readonly complaints: string[] = [];
  /** What a scenario measured, in words. */
  readonly figures: string[] = [];
  /** Of all that was judged so far. */
  readonly verdict = new Verdict();
  /** Tells whoever waits at the terminal how a long run goes. */
  readonly say: (line: string) => void;
  readonly #perSecond: number;
  readonly #settleMs: number;
  readonly #ownsDeployment: boolean;
  readonly #listeners = new Set<(id: string) => boolean>();
  #talking: Talking | null = null;

  private constructor(
    deployment: Deployment,
    random: Random,
    { perSecond, settleMs = SETTLE_MS, say = () => undefined }: TalkOptions,
    ownsDeployment: boolean,
  ) {
    this.deployment = deployment;
    this.clients = new Clients(deployment.instances, deployment.nginx);
    this.random = random;
    this.say = say;
    this.#perSecond = perSecond;
    this.#settleMs = settleMs;
    this.#ownsDeployment = ownsDeployment;
  }

  static async open(options: ArenaOptions, random: Random): Promise<Arena> {
    const deployment = await Deployment.start(options);
    return new Arena(deployment, random, options, true).#opened(options.pairs);
  }

  /** Other clients on a deployment that goes on when they are gone. */
  static beside(deployment: Deployment, options: TalkOptions, random: Random): Promise<Arena> {
    return new Arena(deployment, random, options, false).#opened(options.pairs);
  }

  talk(): void {
    this.#talking ??= new Talking(this.clients.recorders, this.#perSecond);
  }

  hush(): void {
    this.#talking?.stop();
    this.#talking = null;
  }

  /** Resolves after so many more acknowledgements, whoever gets them. */
  async acknowledgements(count: number): Promise<void> {
    let seen = 0;
    const enough = new Promise<void>((resolve) => {
      this.#hear(() => {
        seen += 1;
        if (seen === count) resolve();
        return seen >= count;
      });
    });
    await within(TALK_MS, () => `${count} acknowledgements, but ${seen}`, enough);
  }

  /** One more message from everybody, beside what they talk; gives the milliseconds until all of them are acknowledged. */
  async served(): Promise<number> {
    const askedAt = performance.now();
    const waiting = new Set(this.clients.recorders.map((recorder) => recorder.say()));
    const answered = new Promise<void>((resolve) => {
      if (waiting.size === 0) resolve();
      this.#hear((id) => {
        waiting.delete(id);
        if (waiting.size === 0) resolve();
        return waiting.size === 0;
      });
    });
    await within(SETTLE_MS, () => `an answer for ${[...waiting].join(', ')}`, answered);
    return performance.now() - askedAt;
  }

  async #opened(pairs: number): Promise<Arena> {
    try {
      await this.clients.open(pairs);
    } catch (error) {
      await this.close();
      throw error;
    }
    for (const recorder of this.clients.recorders) recorder.onOk = (id) => this.#onOk(id);
    return this;
  }

  /** What a scenario demands beside the invariants. */
  demand(isSo: boolean, complaint: () => string): void {
    if (!isSo) this.complaints.push(complaint());
  }

  /** Waits until everything is quiet, reads all there is to read, and judges it. */
  async judge(expected: Partial<Expectations> = {}): Promise<Verdict> {
    await this.judgeSessions(expected);
    const { instances } = this.deployment;
    const processes = instances.flatMap((instance) => instance.evidence());
    checkProcesses({ startedAt: this.startedAt, processes, expected: { ...EXPECTED, ...expected } }, this.verdict);
    return this.verdict;
  }

  /** All but the processes, which may have others to serve. What there is of a session is forgotten when it is judged. */
  async judgeSessions(expected: Partial<Expectations> = {}): Promise<void> {
    this.hush();
    this.deployment.heal();
    for (const { network } of this.clients.placed) network.heal();
    const quiet = await Promise.all(
      this.clients.pairs.map(async (pair) => ((await this.#tried(pair, this.#quiet(pair))) === null ? [] : [pair])),
    );
    for (const pair of quiet.flat()) {
      const session = await this.#tried(pair, this.#evidenceOf(pair));
      if (session !== null) checkSession(session, { ...EXPECTED, ...expected }, this.verdict);
    }
  }

  /** Ends every session, as its host. */
  async endSessions(): Promise<void> {
    await Promise.all(
      this.clients.pairs.map((pair) =>
        this.#tried(
          pair,
          eventually(() => pair.host.recorder.endSession()),
        ),
      ),
    );
  }

  async close(): Promise<void> {
    this.hush();
    await this.clients.close();
    if (this.#ownsDeployment) await this.deployment.stop();
  }

  /** `listener` is told each id that is acknowledged, until it says that it has heard enough. */
  #hear(listener: (id: string) => boolean): void {
    this.#listeners.add(listener);
  }

  #onOk(id: string): void {
    for (const listener of this.#listeners) if (listener(id)) this.#listeners.delete(listener);
  }

  /** Null, and a complaint, when it fails: the others are judged all the same. */
  async #tried<T>({ sessionId }: Pair, doing: Promise<T>): Promise<T | null> {
    try {
      return await doing;
    } catch (error) {
      this.complaints.push(`${sessionId} cannot be judged: ${String(error)}`);
      return null;
    }
  }

  /** What does not settle is what the checker then finds missing: it says more than a deadline does. */
  async #patiently(waits: Promise<void>): Promise<void> {
    await waits.catch((error: unknown) => {
      this.complaints.push(error instanceof Error ? error.message : String(error));
    });
  }

  /** Everybody has what there is, and so has the archive; gives the head. */
  async #quiet(pair: Pair): Promise<number> {
    const { sessionId, teller } = pair;
    const seated = seatedOf(pair);
    await Promise.all(seated.map((recorder) => this.#patiently(recorder.settled(0, this.#settleMs))));
    const { lastSeq } = await eventually(() => teller.head(), this.#settleMs);
    await Promise.all(seated.map((recorder) => this.#patiently(recorder.settled(lastSeq, this.#settleMs))));
    const archived = async (): Promise<void> => {
      const head = await teller.head();
      if (head.durableSeq < head.lastSeq) throw new Error(`${sessionId} is archived to ${head.durableSeq} alone`);
    };
    await this.#patiently(eventually(archived, Math.min(ARCHIVE_MS, this.#settleMs)));
    return lastSeq;
  }

  async #evidenceOf(pair: Pair): Promise<SessionEvidence> {
    const { sessionId, host, guest, teller } = pair;
    const seated = seatedOf(pair);
    const { redisCommand, databaseUrl } = this.deployment;
    const histories = new Map<string, SessionEvidence['log']>();
    for (const recorder of seated) {
      // Nothing to read is what the checker then finds, and says of whom.
      const history = eventually(() => recorder.history(), HISTORY_MS).catch((error: unknown) => {
        this.complaints.push(`${recorder.record.client} cannot read its history: ${String(error)}`);
        return [];
      });
      histories.set(recorder.record.client, await history);
    }
    const head = await teller.head();
    const standings = new Map<string, Partial<Standing> | null>([[SERVER, head]]);
    for (const { record, epoch } of seated) standings.set(record.client, { epoch });
    if (redisCommand !== null) standings.set('Redis', await readRedisStanding(redisCommand, sessionId));
    if (databaseUrl !== null) standings.set('Postgres', await readPostgresStanding(databaseUrl, sessionId));
    return {
      sessionId,
      ...head,
      standings,
      // The host took its seat when the session began.
      log: histories.get(host.recorder.record.client) ?? [],
      records: [host, guest].map(({ recorder }) => recorder.record),
      histories,
      redis: redisCommand === null ? null : await readRedisLog(redisCommand, sessionId),
      postgres: databaseUrl === null ? null : await readPostgres(databaseUrl, sessionId),
    };
  }
}

/** Who was put out has nothing to wait for, and nothing to read. */
function seatedOf({ host, guest }: Pair): Recorder[] {
  const recorders = [host.recorder, guest.recorder];
  return recorders.filter(({ record }) => record.entries.every(({ kind }) => kind !== 'revoked'));
}
