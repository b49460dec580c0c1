import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { releaseSeats } from '../../sessions/instance-seats.ts';
import { answerKnock, enterSession, withdrawKnock } from '../../sessions/knocks.ts';
import type { Rule, SeatHolder } from '../../sessions/session.ts';
import { Instances } from './instances.ts';
import { PARTITIONS } from './keys.ts';
import { HORIZON_MS, newcomer, opened, RedisStage, type Instance } from './redis-stage.conformance.ts';

const ALL = Array.from({ length: PARTITIONS }, (_, partition) => partition);

describe('an instance at which somebody waits to be let in', () => {
  let stage: RedisStage;
  let here: Instance;
  let instances: Instances;
  beforeAll(async () => {
    stage = await RedisStage.open();
    here = await stage.instance('here');
    instances = new Instances(stage.redis, stage.keys);
  });
  afterAll(() => stage.close());

  async function decide<O>(sessionId: string, rule: Rule<O>): Promise<O> {
    const result = await here.state.change(sessionId, rule);
    if (result.kind !== 'decided') throw new Error(`expected a decision, received ${result.kind}`);
    return result.outcome;
  }

  /** A session of a host at `here`, at whose door somebody waits at that instance. */
  async function knockedAt(
    instance: string,
  ): Promise<{ id: string; host: SeatHolder; knockId: string; token: string }> {
    const document = { ...opened(stage, here.id), approval: true };
    await here.state.create(document, () => undefined);
    const guest = newcomer(instance);
    const entered = await decide(document.id, enterSession(document.code?.value ?? '', guest, '192.0.2.x', HORIZON_MS));
    expect(entered.kind).toBe('knocked');
    const host = { seatId: document.seats[0]?.id ?? '', generation: 1 };
    return { id: document.id, host, knockId: guest.id, token: guest.tokenHash };
  }

  it('is not forgotten before the knock is dropped', async () => {
    const { id, host, knockId } = await knockedAt('dying');
    await instances.beat('dying');
    expect(await instances.heldBy('dying', ALL)).toEqual([id]);
    expect(await instances.forget('dying')).toBe(false);
    expect(await decide(id, releaseSeats('dying'))).toMatchObject({ kind: 'released', seatIds: [] });
    expect(await instances.heldBy('dying', ALL)).toEqual([]);
    expect(await instances.forget('dying')).toBe(true);
    expect(await decide(id, answerKnock(host, knockId, true))).toEqual({ kind: 'unknown_knock' });
  });

  it('is not forgotten before the seat is released that an admission gave', async () => {
    const { id, host, knockId } = await knockedAt('admitted');
    await instances.beat('admitted');
    expect(await decide(id, answerKnock(host, knockId, true))).toMatchObject({ kind: 'admitted' });
    expect(await instances.forget('admitted')).toBe(false);
    expect(await decide(id, releaseSeats('admitted'))).toEqual({ kind: 'released', seatIds: [knockId] });
    expect(await instances.forget('admitted')).toBe(true);
  });

  it('counts no more once the knock is refused or withdrawn', async () => {
    const [refused, withdrawn] = [await knockedAt('quiet'), await knockedAt('quiet')];
    expect(new Set(await instances.heldBy('quiet', ALL))).toEqual(new Set([refused.id, withdrawn.id]));
    await decide(refused.id, answerKnock(refused.host, refused.knockId, false));
    const joiner = { knockId: withdrawn.knockId, tokenHash: withdrawn.token, instance: 'quiet' };
    expect(await decide(withdrawn.id, withdrawKnock(joiner))).toEqual({ kind: 'withdrawn' });
    expect(await instances.heldBy('quiet', ALL)).toEqual([]);
  });
});
