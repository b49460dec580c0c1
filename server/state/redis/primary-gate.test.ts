import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { startRedis, type RedisServer } from '../../../test/support/redis-server.ts';
import { lockSession } from '../../sessions/session.ts';
import type { RedisPrimary } from './client.ts';
import { PrimaryComparison } from './primary-comparison.ts';
import { PrimaryGate } from './primary-gate.ts';
import { messageOf, opened, paired, redisAt, RedisStage, type Instance } from './redis-stage.conformance.ts';
import { RunClaim } from './run-claim.ts';

function primary(id: string): RedisPrimary {
  return { id, host: '127.0.0.1', port: 6379, version: '', runId: id, replicationId: '' };
}

describe('the gate', () => {
  let now = 0;
  let gate: PrimaryGate;
  let behind: RedisPrimary | null;
  let went: string[];
  beforeEach(() => {
    now = 0;
    gate = new PrimaryGate(() => now);
    behind = primary('first');
    went = [];
  });
  const pass = (name: string) =>
    gate.pass(
      () => behind,
      () => {
        went.push(name);
        return Promise.resolve(name);
      },
    );

  it('lets those who wait go in their order, before anybody who comes later', async () => {
    const early = [pass('one'), pass('two')];
    expect(went).toEqual([]);
    gate.open('first');
    const late = pass('three');
    expect(went).toEqual(['one', 'two', 'three']);
    await Promise.all([...early, late]);
  });

  it('asks who is there by then: one that was opened says nothing of the next', async () => {
    const waiting = pass('one');
    behind = primary('second');
    gate.open('first');
    expect(went).toEqual([]);
    gate.open('second');
    await waiting;
    expect(went).toEqual(['one']);
  });

  it('refuses within a second for all together, however late somebody comes', async () => {
    const first = pass('one');
    now = 999;
    const last = pass('two');
    now = 1000;
    await expect(pass('three')).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 500 });
    // The one millisecond that is left to it passes sooner than the second of the first.
    await expect(last).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    gate.open('first');
    await first;
    expect(went).toEqual(['one']);
  });

  it('is closed for all that was open when Redis turns out to be empty', async () => {
    gate.open('first');
    await pass('one');
    gate.closeAll();
    const waiting = pass('two');
    expect(went).toEqual(['one']);
    gate.open('first');
    await waiting;
  });
});

describe('a Redis that came back with less than it had', () => {
  let server: RedisServer;
  let stage: RedisStage;
  let gates: PrimaryGate[];
  let instances: Instance[];
  beforeEach(async () => {
    server = await startRedis();
    stage = await RedisStage.open(redisAt(server.url));
    gates = [new PrimaryGate(), new PrimaryGate()];
    instances = await Promise.all(gates.map((guard, index) => stage.instance(`instance-${index}`, { guard })));
    for (const [index, { redis }] of instances.entries()) {
      for (const { id } of redis.primaries()) gates[index]?.open(id);
    }
  });
  afterEach(async () => {
    await stage.close();
    await server.stop();
  });

  async function comeBack(): Promise<void> {
    const recovered = instances.map(
      ({ redis }) => new Promise<void>((resolve) => void redis.onRecovered(() => resolve())),
    );
    await server.kill();
    await server.restart();
    await Promise.all(recovered);
  }

  it('is written to by nobody who sends without pause, until the gate is opened', async () => {
    const [one, two] = instances;
    if (one === undefined || two === undefined) throw new Error('there are instances');
    const { sessionId, host, guest } = await paired(stage, one, two);
    for (let n = 0; n < 5; n += 1) await one.state.append(messageOf(sessionId, host));
    await server.command('SAVE');
    for (let n = 0; n < 5; n += 1) await one.state.append(messageOf(sessionId, host));

    let [isOpen, isOver, attempts] = [false, false, 0];
    const early: unknown[] = [];
    const seqs: number[] = [];
    // Who sends knows nothing of what was lost: the instance of the guest may have missed the end of it.
    const talk = async ({ state }: Instance, holder: typeof host) => {
      while (!isOver) {
        attempts += 1;
        const answer = await state.append(messageOf(sessionId, holder)).catch((error: unknown) => error);
        if (typeof answer === 'object' && answer !== null && 'kind' in answer && answer.kind === 'appended') {
          if (!isOpen) early.push(answer);
          if ('seq' in answer) seqs.push(Number(answer.seq));
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const { flat, log } = stage.keys.session(sessionId);
    const talking = Promise.all([talk(one, host), talk(two, guest)]);
    await comeBack();
    early.length = 0;
    seqs.length = 0;
    const before = attempts;
    const change = one.state.change(sessionId, lockSession(host, true)).catch((error: unknown) => error);
    const creation = two.state.create(opened(stage, 'two'), () => undefined).catch((error: unknown) => error);
    expect(await Promise.all([change, creation])).toMatchObject([{ code: 'UNAVAILABLE' }, { code: 'UNAVAILABLE' }]);
    while (attempts < before + 50) await new Promise((resolve) => setImmediate(resolve));
    expect(early).toEqual([]);
    expect(await server.command('XLEN', log)).toBe(5);
    expect(await server.command('HMGET', flat, 'seq', 'v')).toEqual(['5', '2']);

    // The comparison: here by hand, what was lost stays lost.
    await server.command('HSET', flat, 'seq', '10');
    isOpen = true;
    for (const [index, { redis }] of instances.entries()) {
      for (const { id } of redis.primaries()) gates[index]?.open(id);
    }
    while (seqs.length < 20) await new Promise((resolve) => setImmediate(resolve));
    isOver = true;
    await talking;
    expect(Math.min(...seqs)).toBe(11);
    expect(new Set(seqs).size).toBe(seqs.length);
  }, 30_000);

  it('is compared by one of all instances, again by another when it fails, and opened for all', async () => {
    const compared: number[] = [];
    const faults: unknown[] = [];
    const comparisons = instances.map(({ redis }, index) => {
      const gate = gates[index];
      if (gate === undefined) throw new Error('there is a gate');
      return new PrimaryComparison({
        ...{ redis, gate, claim: new RunClaim(redis, stage.keys), onOpened: () => undefined },
        compare: () => {
          compared.push(index);
          // Once the archive cannot be asked.
          if (compared.length === 1) return Promise.reject(new Error('away'));
          return Promise.resolve(() => Promise.resolve());
        },
        onFault: (error) => faults.push(error),
      });
    });
    const isOpen = () => comparisons.map((comparison) => comparison.isOpen);
    try {
      await comeBack();
      await Promise.all(comparisons.map((comparison) => comparison.opened(10_000)));
      expect(isOpen()).toEqual([true, true]);
      expect(compared).toHaveLength(2);
      expect(faults).toHaveLength(1);
      // The connection alone is another: it is the same memory.
      const reached = instances.map(
        ({ redis }) => new Promise<void>((resolve) => void redis.onPrimary(() => resolve())),
      );
      await server.command('CLIENT', 'KILL', 'TYPE', 'normal');
      await Promise.all(reached);
      expect(isOpen()).toEqual([true, true]);
      expect(compared).toHaveLength(2);
      // Emptied while it runs.
      await server.command('FLUSHALL');
      comparisons[0]?.doubt();
      expect(isOpen()).toEqual([false, true]);
      await comparisons[0]?.opened(10_000);
      expect(compared).toEqual([...compared.slice(0, 2), 0]);
    } finally {
      for (const comparison of comparisons) await comparison.stop();
    }
  }, 30_000);
});
