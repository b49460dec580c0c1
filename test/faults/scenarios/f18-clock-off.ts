import { createHmac } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readlink, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Api } from '../../support/api.ts';
import type { SignedInUser } from '../../support/api.ts';
import type { Client, ClientOptions } from '../../support/client.ts';
import { limit } from '../../support/environment.ts';
import { eventually } from '../../support/eventually.ts';
import { resumeOf } from '../../support/seat.ts';
import type { Seat } from '../../support/seat.ts';
import type { Arena } from '../arena.ts';
import type { Instance } from '../instance.ts';
import { threeInstances } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { connectedTo } from './connected.ts';

const LIBRARY = '/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1';
const JWT_SECRET = 'a-secret-of-this-scenario-alone-and-long-enough';
/** In the directory in which each server runs; without it its clock is right. */
const CLOCK_FILE = 'clock';
const HOUR_SECONDS = 3_600;
/** The contract's leeway is 60 s; a token well within it is taken, one well beyond it is refused. */
const WITHIN_SECONDS = 40;
const BEYOND_SECONDS = 80;
const CODE_TTL_MS = 12_000;
const GRACE_MS = 10_000;
/** So much later may what is due come about. */
const LATE_MS = 6_000;
const LIMIT = { points: 60, durationSeconds: 5 };
/** What somebody sends at once, and how often before he goes to the other instance. */
const BATCH = 10;
const BATCHES = 2;
const LIMIT_MS = 1_000 * LIMIT.durationSeconds;
const ROUNDS = 3;
const CLOCK_TOLERANCE_MS = 2_000;

export const f18: Scenario = {
  name: 'F18',
  what: 'the clock of one instance jumps by an hour while it runs, and it starts again with it',
  hotStates: ['redis', 'sentinel', 'cluster'],
  lacks: () => (existsSync(LIBRARY) ? null : `it needs ${LIBRARY} (Debian: faketime)`),
  arena: (hotState) => {
    const usual = threeInstances(hotState);
    const clock = {
      LD_PRELOAD: LIBRARY,
      FAKETIME_TIMESTAMP_FILE: CLOCK_FILE,
      FAKETIME_CACHE_DURATION: '1',
      // What no clock that is set can change: timers would wait an hour.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    };
    const terms = { CODE_TTL: `${CODE_TTL_MS}ms`, PARTICIPANT_GRACE: `${GRACE_MS}ms`, JWT_SECRET };
    // Far less than the limit, also after a pause: it is others who meet it.
    const talk = { perSecond: 8 };
    return { ...usual, ...talk, env: { ...usual.env, ...clock, ...terms, ...limit('messages_user', LIMIT) } };
  },
  expected: { limit: { points: LIMIT.points, durationMs: LIMIT_MS, burst: 1 } },
  async run(arena, random) {
    const { instances } = arena.deployment;
    const off = random.pick(instances);
    const right = random.pick(instances.filter((instance) => instance !== off));
    const seconds = random.next() < 0.5 ? HOUR_SECONDS : -HOUR_SECONDS;
    await arena.acknowledgements(40);
    const user = await new Api(right.server.url).register('somebody@example.com');
    const jumpAt = performance.now();
    await setClock(off, seconds);
    // At once: no second look at Redis has put it right.
    await demandTokens(arena, off, right, user);
    await witnessed((witnesses) => demandTerms(witnesses, arena, off, right));
    await witnessed((witnesses) => demandLimit(witnesses, arena, off, right));
    arena.figures.push(`the clock of ${off.name} jumped by ${seconds} s; 10 s and more later it started with it`);

    const code = await off.sigterm();
    arena.demand(code === 0, () => `${off.name} was told to stop and ended with exit code ${String(code)}`);
    await off.start();
    await arena.served();
    await demandTokens(arena, off, right, user);
    await witnessed((witnesses) => demandTerms(witnesses, arena, off, right));
    // And back.
    await setClock(off, 0);
    await demandTokens(arena, off, right, user);
    await arena.served();
    demandTimes(arena, jumpAt);
  },
};

/** The connections of witnesses: whatever is found, none of them stays. */
class Witnesses {
  readonly #clients: Client[] = [];

  async connect(instance: Instance, options?: ClientOptions): Promise<Client> {
    const client = await connectedTo(instance, options);
    this.#clients.push(client);
    return client;
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }
}

async function witnessed(run: (witnesses: Witnesses) => Promise<unknown>): Promise<void> {
  const witnesses = new Witnesses();
  try {
    await run(witnesses);
  } finally {
    witnesses.close();
  }
}

/** Resolves when the instance tells the time by it: the file is looked at every second. */
async function setClock(instance: Instance, seconds: number): Promise<void> {
  const file = path.join(await readlink(`/proc/${instance.server.pid}/cwd`), CLOCK_FILE);
  // Never half written.
  await writeFile(`${file}-next`, `${seconds >= 0 ? '+' : ''}${seconds}\n`);
  await rename(`${file}-next`, file);
  await eventually(async () => {
    const { headers } = await fetch(`${instance.server.url}/health/live`);
    const offMs = Date.parse(headers.get('Date') ?? '') - Date.now() - seconds * 1_000;
    if (!(Math.abs(offMs) < CLOCK_TOLERANCE_MS)) throw new Error(`${instance.name} is ${offMs} ms from its clock`);
  });
}

/** What one issues the other takes, and both the same of what has expired. */
async function demandTokens(arena: Arena, off: Instance, right: Instance, user: SignedInUser): Promise<void> {
  for (const issuer of [off, right]) {
    const { accessToken } = await eventually(() => new Api(issuer.server.url).login(user.user.email));
    const claims = claimsOf(accessToken);
    const now = Date.now() / 1_000;
    arena.demand(
      Math.abs(claims.iat - now) < 5,
      () => `${issuer.name} issued a token of ${claims.iat - now} s from now`,
    );
    const tokens: [string, string, number][] = [
      ['of just now', accessToken, 200],
      ['of the issuer alone', signed({ ...claims, exp: now - WITHIN_SECONDS }), 200],
      ['that is over', signed({ ...claims, exp: now - BEYOND_SECONDS }), 401],
      ['of soon', signed({ ...claims, iat: now + WITHIN_SECONDS, exp: now + 600 }), 200],
      ['of later', signed({ ...claims, iat: now + BEYOND_SECONDS, exp: now + 600 }), 401],
    ];
    for (const instance of [off, right]) {
      for (const [what, token, status] of tokens) {
        const answer = await answerOf(instance, token);
        arena.demand(
          answer === status,
          () => `${instance.name} answers ${answer} to a token ${what}, which ${issuer.name} issued`,
        );
      }
    }
  }
}

/** A server that is busy is asked again. */
async function answerOf({ server }: Instance, token: string): Promise<number> {
  return eventually(async () => {
    const { status } = await new Api(server.url).call('GET', '/api/v1/auth/me', { token });
    if (status === 503) throw new Error(`${server.url} is busy`);
    return status;
  });
}

interface Claims {
  readonly iat: number;
  readonly exp: number;
}

function claimsOf(token: string): Claims {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Claims; // By the contract.
}

function signed(claims: Claims): string {
  const whole = { ...claims, iat: Math.min(claims.iat, claims.exp - 300), exp: Math.floor(claims.exp) };
  const parts = [
    { alg: 'HS256', typ: 'JWT' },
    { ...whole, iat: Math.floor(whole.iat) },
  ];
  const input = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${createHmac('sha256', JWT_SECRET).update(input).digest('base64url')}`;
}

/** A code and the grace of a seat end when they are due, whichever instance they began at, and whichever looks. */
async function demandTerms(witnesses: Witnesses, arena: Arena, off: Instance, right: Instance): Promise<void> {
  // Several of each: the partitions that they lie in are looked at by different instances.
  const ways = [
    [off, right],
    [right, off],
  ] as const;
  const checks = Array.from({ length: 2 * ROUNDS }, (_, index) => ways[index % 2] ?? ways[0]).flatMap(
    ([here, there]) => [demandCode(witnesses, arena, here, there), demandGrace(witnesses, arena, here, there)],
  );
  await Promise.all(checks);
}

async function demandCode(witnesses: Witnesses, arena: Arena, here: Instance, there: Instance): Promise<void> {
  const client = await witnesses.connect(here);
  const { session } = await client.do('session:create', {});
  const madeAt = performance.now();
  const shiftMs = Math.abs(Date.parse(session.createdAt) - Date.now());
  arena.demand(shiftMs < CLOCK_TOLERANCE_MS, () => `${here.name} made a session ${shiftMs} ms from now`);
  const api = new Api(there.server.url);
  const looked = await api.call('GET', `/api/v1/sessions/by-code/${session.code ?? ''}`);
  arena.demand(looked.status === 200, () => `${there.name} answers ${looked.status} to a fresh code of ${here.name}`);
  const { reason } = await client.next('session:closed', undefined, CODE_TTL_MS + 4 * LATE_MS);
  const tookMs = performance.now() - madeAt;
  demandDue(arena, `a code of ${here.name}, ${reason},`, tookMs, CODE_TTL_MS);
}

async function demandGrace(witnesses: Witnesses, arena: Arena, here: Instance, there: Instance): Promise<void> {
  const host = await witnesses.connect(here);
  const { session } = await host.do('session:create', {});
  const guest = await witnesses.connect(there);
  await guest.do('session:join', { code: session.code ?? '' });
  const lostAt = performance.now();
  await guest.drop();
  const { reason } = await host.next('session:left', undefined, GRACE_MS + 4 * LATE_MS);
  demandDue(arena, `a seat at ${there.name}, ${reason},`, performance.now() - lostAt, GRACE_MS);
  await host.do('session:close', {});
}

function demandDue(arena: Arena, what: string, tookMs: number, dueMs: number): void {
  const isDue = tookMs >= dueMs - 500 && tookMs <= dueMs + LATE_MS;
  arena.demand(isDue, () => `${what} ended after ${Math.round(tookMs)} ms, where ${dueMs} were due`);
}

/** Somebody who says all that the limit lets him, and goes from one instance to the other meanwhile. */
async function demandLimit(witnesses: Witnesses, arena: Arena, off: Instance, right: Instance): Promise<void> {
  const first = await witnesses.connect(off);
  const { session, self } = await first.do('session:create', {});
  // A session that nobody joins ends with its code.
  const guest = await witnesses.connect(right);
  await guest.do('session:join', { code: session.code ?? '' });
  const seat: Seat = { client: first, session, self };
  const times: number[] = [];
  let refusals = 0;
  const endsAt = performance.now() + ROUNDS * LIMIT_MS;
  for (let turn = 1; performance.now() < endsAt; turn += 1) {
    const here = turn % 2 === 0 ? off : right;
    const client = await witnesses.connect(here, { auth: resumeOf(seat) });
    await client.next('session:resumed');
    for (let batch = 0; batch < BATCHES; batch += 1) {
      const waitMs = await sayBatch(client, `limited-${turn}-${batch}`);
      if (waitMs > 0) await delay(waitMs);
    }
  }

  times.sort((a, b) => a - b);
  const excess = times.filter((time, index) => time - (times[index - LIMIT.points] ?? -Infinity) < LIMIT_MS).length;
  arena.demand(excess === 0, () => `${excess} messages beyond the limit were taken`);
  arena.demand(refusals > 0, () => 'nobody met the limit');
  // All that it lets pass in this time, but for what a hop and a wait take.
  arena.demand(times.length >= LIMIT.points * (ROUNDS - 1), () => `${times.length} messages were taken alone`);
  arena.figures.push(`over both instances ${times.length} messages in ${ROUNDS} windows of ${LIMIT.points}`);

  async function sayBatch(from: Client, name: string): Promise<number> {
    const sends = Array.from({ length: BATCH }, (_, n) => from.send('message:send', { id: `${name}-${n}`, body: n }));
    let waitMs = 0;
    for (const answer of await Promise.all(sends)) {
      if (answer.ok) {
        times.push(Date.parse(answer.sentAt));
        continue;
      }
      const { code, retryAfterMs = NaN } = answer.error;
      // A server that is busy says nothing of limits.
      if (code === 'UNAVAILABLE') continue;
      refusals += 1;
      const isDue = code === 'RATE_LIMITED' && retryAfterMs > 0 && retryAfterMs <= LIMIT_MS;
      arena.demand(isDue, () => `a message was refused: ${code}, again in ${retryAfterMs} ms`);
      waitMs = Math.max(waitMs, Math.min(retryAfterMs, LIMIT_MS));
    }
    return waitMs;
  }
}

/** Every message says when it was taken by the time of Redis, whichever instance took it. */
function demandTimes({ clients, complaints }: Arena, since: number): void {
  for (const { record } of clients.recorders) {
    for (const entry of record.entries) {
      if (entry.kind !== 'seen' || entry.way === 'history' || entry.at < since) continue;
      const behindMs = performance.timeOrigin + entry.at - Date.parse(entry.message.sentAt);
      if (behindMs > -CLOCK_TOLERANCE_MS && behindMs < 60_000) continue;
      complaints.push(
        `${record.client} got ${entry.message.id}, sent ${Math.round(behindMs)} ms before by its own word`,
      );
    }
  }
}
