import { within } from '../support/deadline.ts';
import { eventually } from '../support/eventually.ts';
import type { Random } from '../support/random.ts';
import { check } from './checker.ts';
import { Clients } from './clients.ts';
import type { Pair } from './clients.ts';
import { Deployment } from './deployment.ts';
import type { DeploymentOptions } from './deployment.ts';
import { EXPECTED } from './evidence.ts';
import type { Evidence, Expectations, SessionEvidence, Standing } from './evidence.ts';
import { Talking } from './recorder.ts';
import { readPostgres, readPostgresStanding, readRedisLog, readRedisStanding } from './stores.ts';
import { SERVER } from './system-checks.ts';
import type { Verdict } from './verdict.ts';

/** Far beyond what a healed deployment needs: they decide how long a failing run takes. */
const SETTLE_MS = 30_000;
const ARCHIVE_MS = 15_000;
const HISTORY_MS = 5_000;

export interface ArenaOptions extends DeploymentOptions {
  readonly pairs: number;
  /** Messages per second over all clients. */
  readonly perSecond: number;
  /** How long a client may take to have everything in the end. */
  readonly settleMs?: number;
}

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
  readonly #perSecond: number;
  readonly #settleMs: number;
  #talking: Talking | null = null;

  private constructor(
    deployment: Deployment,
    clients: Clients,
    random: Random,
    { perSecond, settleMs = SETTLE_MS }: Pick<ArenaOptions, 'perSecond' | 'settleMs'>,
  ) {
    this.deployment = deployment;
    this.clients = clients;
    this.random = random;
    this.#perSecond = perSecond;
    this.#settleMs = settleMs;
  }

  static async open({ pairs, ...options }: ArenaOptions, random: Random): Promise<Arena> {
    const deployment = await Deployment.start(options);
    const clients = new Clients(deployment.instances, deployment.nginx);
    const arena = new Arena(deployment, clients, random, options);
    try {
      await clients.open(pairs);
      return arena;
    } catch (error) {
      await arena.close();
      throw error;
    }
  }

  talk(): void {
    this.#talking ??= new Talking(this.clients.recorders, this.#perSecond);
  }

  hush(): void {
    this.#talking?.stop();
    this.#talking = null;
  }

  /** Resolves after so many more acknowledgements, whoever gets them. */
  acknowledgements(count: number): Promise<void> {
    let seen = 0;
    return new Promise((resolve) => {
      for (const recorder of this.clients.recorders) {
        const before = recorder.onOk;
        recorder.onOk = (id) => {
          before(id);
          seen += 1;
          if (seen === count) resolve();
        };
      }
    });
  }

  /** One more message from everybody, beside what they talk; gives the milliseconds until all of them are acknowledged. */
  async served(): Promise<number> {
    const askedAt = performance.now();
    const answers = this.clients.recorders.map((recorder) => {
      const id = recorder.say();
      const before = recorder.onOk;
      return new Promise<void>((resolve) => {
        recorder.onOk = (answered) => {
          before(answered);
          if (answered === id) resolve();
        };
      });
    });
    const unanswered = () => this.clients.recorders.filter(({ unsettled }) => unsettled.length > 0).length;
    await within(SETTLE_MS, () => `an answer for ${unanswered()} clients`, Promise.all(answers));
    return performance.now() - askedAt;
  }

  /** What a scenario demands beside the invariants. */
  demand(isSo: boolean, complaint: () => string): void {
    if (!isSo) this.complaints.push(complaint());
  }

  /** Waits until everything is quiet, reads all there is to read, and judges it. */
  async judge(expected: Partial<Expectations> = {}): Promise<Verdict> {
    this.hush();
    this.deployment.heal();
    for (const { network } of this.clients.placed) network.heal();
    const sessions: SessionEvidence[] = [];
    for (const pair of this.clients.pairs) {
      try {
        sessions.push(await this.#evidenceOf(pair));
      } catch (error) {
        // The others are judged all the same.
        this.complaints.push(`${pair.sessionId} cannot be judged: ${String(error)}`);
      }
    }
    const evidence: Evidence = {
      startedAt: this.startedAt,
      sessions,
      processes: this.deployment.instances.flatMap((instance) => instance.evidence()),
      expected: { ...EXPECTED, ...expected },
    };
    return check(evidence);
  }

  async close(): Promise<void> {
    this.hush();
    await this.clients.close();
    await this.deployment.stop();
  }

  async #evidenceOf({ sessionId, host, guest, teller }: Pair): Promise<SessionEvidence> {
    const recorders = [host.recorder, guest.recorder];
    // Who was put out has nothing to wait for, and nothing to read.
    const seated = recorders.filter(({ record }) => record.entries.every(({ kind }) => kind !== 'revoked'));
    // What does not settle is what the checker then finds missing: it says more than a deadline does.
    const patiently = (waits: Promise<void>): Promise<void> =>
      waits.catch((error: unknown) => {
        this.complaints.push(error instanceof Error ? error.message : String(error));
      });
    await Promise.all(seated.map((recorder) => patiently(recorder.settled(0, this.#settleMs))));
    const { lastSeq } = await eventually(() => teller.head(), this.#settleMs);
    await Promise.all(seated.map((recorder) => patiently(recorder.settled(lastSeq, this.#settleMs))));
    const archived = async (): Promise<void> => {
      const head = await teller.head();
      if (head.durableSeq < head.lastSeq) throw new Error(`${sessionId} is archived to ${head.durableSeq} alone`);
    };
    await patiently(eventually(archived, Math.min(ARCHIVE_MS, this.#settleMs)));

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
      records: recorders.map(({ record }) => record),
      histories,
      redis: redisCommand === null ? null : await readRedisLog(redisCommand, sessionId),
      postgres: databaseUrl === null ? null : await readPostgres(databaseUrl, sessionId),
    };
  }
}
