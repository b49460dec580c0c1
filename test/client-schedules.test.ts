import { describe, expect, it } from '@jest/globals';
import { TandemClient } from '../client/client.ts';
import type { TandemSession } from '../client/session.ts';
import { LossySession } from './support/lossy-session.ts';
import { Random, seedOfRun } from './support/random.ts';
import { VirtualTime } from './support/virtual-time.ts';

const SCHEDULES = 400;
const MESSAGES = 12;

/** What an application shows that does what the library tells it. */
class Shown {
  readonly ids: string[] = [];
  readonly faults: string[] = [];
  readonly #session: TandemSession;
  #lastSeq = 0;
  #stop: (() => void) | null = null;

  constructor(session: TandemSession) {
    this.#session = session;
    this.listen();
    session.on('reset', ({ afterSeq }) => {
      this.#lastSeq = Math.min(this.#lastSeq, afterSeq);
      this.ids.splice(this.#lastSeq);
    });
    session.on('gap', ({ fromSeq, toSeq }) => this.faults.push(`gap ${fromSeq} to ${toSeq}`));
  }

  listen(): void {
    this.#stop ??= this.#session.on('message', ({ id, seq }) => {
      if (seq !== this.#lastSeq + 1) this.faults.push(`${seq} after ${this.#lastSeq}`);
      this.#lastSeq = seq;
      this.ids.push(id);
    });
  }

  /** Messages wait until somebody listens again. */
  ignore(): void {
    this.#stop?.();
    this.#stop = null;
  }
}

async function opened(time: VirtualTime, asked: Promise<TandemSession>): Promise<TandemSession> {
  const taken: TandemSession[] = [];
  void asked.then((session) => taken.push(session));
  while (taken.length === 0) await time.pass(50);
  return asked;
}

async function runSchedule(seed: number): Promise<void> {
  const random = new Random(seed);
  const time = new VirtualTime();
  const far = new LossySession(time, random);
  const parts = { clock: time, random: () => random.next(), openSocket: far.open };
  const clients = [0, 1].map(() => new TandemClient({ url: 'http://there', storage: null }, parts));
  const sessions: TandemSession[] = [];
  for (const client of clients) sessions.push(await opened(time, client.create()));
  const shown = sessions.map((session) => new Shown(session));

  Object.assign(far.weather, { loss: 0.2, doubling: 0.2, maxDelayMs: 1_200 });
  const acknowledged: string[] = [];
  for (let n = 0; n < MESSAGES; n += 1) {
    const session = random.pick(sessions);
    const id = `message-${n}`.padEnd(12, '-');
    void session.send('text', n, { id }).then(() => acknowledged.push(id));
    await time.pass(random.below(1_500));
    const event = random.below(14);
    if (event === 0) far.cut();
    else if (event === 1) far.lose();
    // What was handed out is remembered by the one who saw it.
    else if (event === 2) far.loseUnnoticed(Math.max(...shown.map(({ ids }) => ids.length)));
    else if (event < 5) far.archive();
    else if (event === 5) time.skewMs += (random.next() - 0.5) * 7_200_000;
    else if (event === 6) random.pick(shown).ignore();
    else if (event === 7) random.pick(shown).listen();
  }
  for (const one of shown) one.listen();
  Object.assign(far.weather, { loss: 0, doubling: 0, maxDelayMs: 5 });
  await time.pass(120_000);
  far.tellHead();
  await time.pass(60_000);

  const stored = far.log.map(({ id }) => id);
  const what = `seed ${seed}`;
  expect([what, ...shown.map(({ faults }) => faults)]).toEqual([what, [], []]);
  expect([what, ...shown.map(({ ids }) => ids)]).toEqual([what, stored, stored]);
  expect([what, new Set(stored).size, stored.length]).toEqual([what, MESSAGES, MESSAGES]);
  expect([what, [...new Set(acknowledged)].sort()]).toEqual([what, [...stored].sort()]);
  for (const client of clients) client.close();
}

describe('two clients over a network that loses, doubles and reorders', () => {
  it('see each message once and in order, also when the store loses what it had acknowledged', async () => {
    const first = seedOfRun();
    for (let run = 0; run < SCHEDULES; run += 1) await runSchedule(first + run);
  }, 60_000);
});
