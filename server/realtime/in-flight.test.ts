import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { InFlight, type InFlightBounds, type Sender } from './in-flight.ts';
import { Reading } from './reading.ts';

const BOUNDS = {
  connection: { pause: 8, resume: 4, refuse: 20 },
  instance: { most: 40, least: 4, first: 40 },
};

beforeEach(() => {
  jest.useFakeTimers();
  turns = [];
});
afterEach(() => {
  expect(jest.getTimerCount()).toBe(0);
  jest.useRealTimers();
});

/** What happens after the sockets of the moment have been read. */
let turns: (() => void)[] = [];

function nextTurn(): void {
  for (const run of turns.splice(0)) run();
}

function lastTurn(): void {
  while (turns.length > 0) nextTurn();
}

function bounded(bounds?: InFlightBounds): InFlight {
  return new InFlight(
    bounds,
    () => performance.now(),
    (run) => turns.push(run),
  );
}

/** A connection whose commands end when the test says so. */
class Talker implements Sender {
  inFlight = 0;
  said = 0;
  refused = 0;
  readonly reading = new Reading({ transport: {} });
  readonly #inFlight: InFlight;
  readonly #ends: ((isMeasured: boolean) => void)[] = [];

  constructor(inFlight: InFlight) {
    this.#inFlight = inFlight;
  }

  say(count: number): void {
    for (let command = 0; command < count; command += 1) {
      const refusal = this.#inFlight.refusalOf(this);
      if (refusal === null) this.#ends.push(this.#inFlight.take(this));
      else {
        expect(refusal).toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: expect.any(Number) });
        this.refused += 1;
      }
    }
  }

  /** Says one command at a time for as long as it is read. */
  sayUntilPaused(): number {
    let said = 0;
    while (!this.reading.isPaused) {
      this.say(1);
      said += 1;
    }
    return said;
  }

  end(count = this.#ends.length): void {
    for (const end of this.#ends.splice(0, count)) end(true);
  }
}

function talkers(count: number, inFlight: InFlight): Talker[] {
  return Array.from({ length: count }, () => new Talker(inFlight));
}

describe('commands in flight of one connection', () => {
  it('stop the reading at a bound, until enough of them have ended', () => {
    const talker = new Talker(bounded(BOUNDS));
    expect(talker.sayUntilPaused()).toBe(8);
    talker.end(3);
    expect(talker.reading.isPaused).toBe(true);
    talker.end(1);
    expect(talker.reading.isPaused).toBe(false);
    talker.end();
  });

  it('are refused at a higher bound, when what was read before keeps coming', () => {
    const talker = new Talker(bounded(BOUNDS));
    talker.say(50);
    expect([talker.inFlight, talker.refused]).toEqual([20, 30]);
    talker.end(1);
    talker.say(2);
    expect([talker.inFlight, talker.refused]).toEqual([20, 31]);
    talker.end();
  });

  it('that never end stop nobody for ever', () => {
    const inFlight = bounded(BOUNDS);
    const talker = new Talker(inFlight);
    talker.sayUntilPaused();
    jest.advanceTimersByTime(5000);
    expect(talker.reading.isPaused).toBe(false);
    talker.say(1);
    expect(talker.reading.isPaused).toBe(true);
    talker.end();
    expect(talker.reading.isPaused).toBe(false);
  });
});

describe('commands in flight of an instance', () => {
  it('leave room for who asks little while others ask for all there is', () => {
    const inFlight = bounded(BOUNDS);
    const greedy = talkers(8, inFlight);
    for (const each of greedy) each.say(100);
    expect(inFlight.total).toBe(160);
    const modest = talkers(5, inFlight);
    for (let round = 0; round < 100; round += 1) {
      for (const each of modest) {
        each.say(1);
        each.end();
      }
      for (const each of greedy) {
        each.end(1);
        each.say(10);
      }
      expect(inFlight.total).toBeLessThan(320);
      nextTurn();
    }
    expect(modest.map(({ refused }) => refused)).toEqual([0, 0, 0, 0, 0]);
    expect(modest.map(({ reading }) => reading.isPaused)).toEqual([false, false, false, false, false]);
    expect(Math.min(...greedy.map(({ refused }) => refused))).toBeGreaterThan(0);
    for (const each of [...modest, ...greedy]) each.end();
    lastTurn();
  });

  it('are bounded however many connections there are, and all of them are read again', () => {
    const inFlight = bounded(BOUNDS);
    const crowd = talkers(1000, inFlight);
    for (const each of crowd) each.say(3);
    expect(inFlight.total).toBe(320);
    expect(crowd.filter(({ reading }) => reading.isPaused).length).toBeGreaterThan(900);
    for (const each of crowd) each.end();
    lastTurn();
    expect(inFlight.total).toBe(0);
    expect(crowd.filter(({ reading }) => reading.isPaused)).toEqual([]);
  });

  it('give each connection its turn', () => {
    const inFlight = bounded(BOUNDS);
    const crowd = talkers(60, inFlight);
    const served = new Map(crowd.map((each) => [each, 0]));
    const queue: Talker[] = [];
    for (let round = 0; round < 1500; round += 1) {
      for (const each of crowd) {
        if (each.reading.isPaused) continue;
        const before = each.inFlight;
        each.say(1);
        if (each.inFlight > before) queue.push(each);
      }
      for (const next of queue.splice(0, 10)) {
        next.end(1);
        served.set(next, (served.get(next) ?? 0) + 1);
      }
      nextTurn();
    }
    const counts = [...served.values()];
    expect(counts.reduce((sum, count) => sum + count)).toBeGreaterThanOrEqual(14_900);
    expect(Math.min(...counts)).toBeGreaterThan(0.8 * Math.max(...counts));
    for (const each of crowd) each.end();
    lastTurn();
  });
});

/** A store that works on one command after the other, under clients that speak whether they are answered or not. */
class OverloadedStore {
  /** Answers that came before the caller was told that it takes too long. */
  inTime = 0;
  readonly #connections: { talker: Sender; unread: number }[];
  readonly #inFlight: InFlight;
  readonly #queue: { startedAt: number; end: (isMeasured: boolean) => void }[] = [];
  #due = 0;
  #offered = 0;

  constructor(inFlight: InFlight) {
    this.#inFlight = inFlight;
    this.#connections = Array.from({ length: 50 }, () => ({
      talker: { inFlight: 0, said: 0, reading: new Reading({ transport: {} }) },
      unread: 0,
    }));
  }

  run(seconds: number, offeredPerSecond: number, servedPerSecond: number): void {
    for (let tick = 0; tick < seconds * 100; tick += 1) {
      this.#offered += offeredPerSecond / 100;
      for (; this.#offered >= 1; this.#offered -= 1) this.#offer();
      // The event loop turns some times in 10 ms.
      for (let turn = 0; turn < 5; turn += 1) {
        this.#read();
        nextTurn();
      }
      for (this.#due += servedPerSecond / 100; this.#due >= 1 && this.#queue.length > 0; this.#due -= 1) this.#serve();
      jest.advanceTimersByTime(10);
    }
  }

  finish(): void {
    while (this.#queue.length > 0) this.#serve();
    lastTurn();
    for (const { talker } of this.#connections) (talker.reading as Reading).close();
  }

  #read(): void {
    for (const connection of this.#connections) {
      const { talker, unread } = connection;
      if (talker.reading.isPaused) continue;
      connection.unread = 0;
      // What was read in one go is heard to its end.
      for (let command = 0; command < unread; command += 1) {
        if (this.#inFlight.refusalOf(talker) !== null) continue;
        this.#queue.push({ startedAt: performance.now(), end: this.#inFlight.take(talker) });
      }
    }
  }

  #offer(): void {
    const connection = this.#connections.shift();
    if (connection === undefined) return;
    // What a client's own socket holds is bounded too.
    connection.unread = Math.min(connection.unread + 1, 400);
    this.#connections.push(connection);
  }

  #serve(): void {
    const next = this.#queue.shift();
    if (next === undefined) return;
    if (performance.now() - next.startedAt <= 2000) this.inTime += 1;
    next.end(true);
  }
}

describe('an instance with a store that does 200 commands a second', () => {
  function answeredInTime(offeredPerSecond: number, inFlight: InFlight): number {
    const store = new OverloadedStore(inFlight);
    store.run(10, offeredPerSecond, 200);
    // It has had the time to learn how much the store can do.
    const before = store.inTime;
    store.run(20, offeredPerSecond, 200);
    const { inTime } = store;
    store.finish();
    return inTime - before;
  }

  it.each([300, 1000, 10_000])('answers as many in time as at its best when %i are offered', (offered) => {
    const best = answeredInTime(200, bounded());
    expect(best).toBe(4000);
    expect(answeredInTime(offered, bounded())).toBeGreaterThanOrEqual(0.9 * best);
  });

  it('would answer nobody in time without the bound', () => {
    const unbounded = {
      connection: { pause: Infinity, resume: Infinity, refuse: Infinity },
      instance: { most: Infinity, least: Infinity, first: Infinity },
    };
    expect(answeredInTime(300, bounded(unbounded))).toBeLessThan(400);
  });
});
