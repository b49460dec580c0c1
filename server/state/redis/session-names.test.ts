import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TandemError } from '../../../protocol/errors.ts';
import type { SessionDocument } from '../../sessions/session.ts';
import { HORIZON_MS, MINUTE, opened, RedisStage } from './redis-stage.conformance.ts';
import { SessionNames } from './session-names.ts';

let stage: RedisStage;
let sessions: Map<string, SessionDocument>;
let names: SessionNames;
/** What the archive puts back when it is asked for. */
let lost: Map<string, SessionDocument>;
/** Runs with each look at a session. */
let onRead: () => void;

beforeEach(async () => {
  stage = await RedisStage.open();
  sessions = new Map();
  lost = new Map();
  onRead = () => undefined;
  const read = (id: string) => {
    onRead();
    const document = sessions.get(id);
    return Promise.resolve(document === undefined ? null : { now: stage.now, document });
  };
  names = new SessionNames({
    redis: stage.redis,
    keys: stage.keys,
    retryHorizonMs: HORIZON_MS,
    clock: stage.clock,
    read,
    recall: async (id) => {
      const found = await read(id);
      const document = lost.get(id);
      if (found !== null || document === undefined) return found;
      sessions.set(id, document);
      return read(id);
    },
  });
});

afterEach(() => stage.close());

function store(keyHash: string | null = null): SessionDocument {
  const document = opened(stage, 'one', 2, { keyHash });
  sessions.set(document.id, document);
  return document;
}

describe('a code', () => {
  const code = () => ({ value: 'BCD234', expiresAt: stage.now + 15 * MINUTE });

  it('belongs to one of those who claim it at the same time, and may be claimed again by it', async () => {
    const answers = await Promise.all(['a', 'b', 'c', 'd'].map((id) => names.claimCode(id, code())));
    expect(answers.filter(Boolean)).toHaveLength(1);
    const winner = ['a', 'b', 'c', 'd'][answers.indexOf(true)] ?? '';
    expect(await names.claimCode(winner, code())).toBe(true);
    expect(await names.claimCode('e', code())).toBe(false);
  });

  it('is free again when it has expired or was released by its owner', async () => {
    await names.claimCode('a', code());
    await names.releaseCode('b', code());
    expect(await names.claimCode('b', code())).toBe(false);
    await names.releaseCode('a', code());
    expect(await names.claimCode('b', code())).toBe(true);
    stage.now += 15 * MINUTE;
    expect(await names.claimCode('c', code())).toBe(true);
    expect(await names.countLiveCodes()).toBe(1);
  });

  it('means nothing before the session says so, and nothing after it says otherwise', async () => {
    const document = opened(stage, 'one');
    if (document.code === null) throw new Error('there is a code');
    await names.claimCode(document.id, document.code);
    expect(await names.findByCode(document.code.value)).toBeNull();
    sessions.set(document.id, document);
    expect(await names.findByCode(document.code.value)).toBe(document.id);
    sessions.set(document.id, { ...document, code: null });
    expect(await names.findByCode(document.code.value)).toBeNull();
    sessions.set(document.id, document);
    stage.now = document.code.expiresAt;
    expect(await names.findByCode(document.code.value)).toBeNull();
  });

  it('is counted as long as it lives', async () => {
    for (const [index, id] of ['a', 'b', 'c'].entries()) {
      await names.claimCode(id, { value: `BCD23${String(index)}`, expiresAt: stage.now + (index + 1) * MINUTE });
    }
    expect(await names.countLiveCodes()).toBe(3);
    stage.now += 2 * MINUTE;
    expect(await names.countLiveCodes()).toBe(1);
  });
});

describe('a key', () => {
  it('leads to the session that was made with it', async () => {
    const document = store('key');
    expect(await names.claimKey(document.id, 'key')).toEqual({ kind: 'claimed', by: stage.now + 2000 });
    expect(await names.claimKey('other', 'key')).toEqual({ kind: 'taken', sessionId: document.id });
    expect(await names.findByKey('key')).toBe(document.id);
  });

  it('is waited for while its session may still be made', async () => {
    const document = opened(stage, 'one', 2, { keyHash: 'key' });
    await names.claimKey(document.id, 'key');
    let looks = 0;
    onRead = () => {
      looks += 1;
      if (looks === 3) sessions.set(document.id, document);
    };
    expect(await names.claimKey('other', 'key')).toEqual({ kind: 'taken', sessionId: document.id });
  });

  it('is free when whoever claimed it died before the session was made', async () => {
    await names.claimKey('dead', 'key');
    stage.now += 2001;
    expect(await names.claimKey('other', 'key')).toEqual({ kind: 'claimed', by: stage.now + 2000 });
  });

  it('that stays empty is given up with an answer that may be repeated', async () => {
    await names.claimKey('slow', 'key');
    await expect(names.claimKey('other', 'key')).rejects.toThrow(TandemError);
  });

  it('of a later seat leads to that', async () => {
    const [first, second] = [store('key'), store('key')];
    await names.rememberKey(first.id, 'key');
    await names.rememberKey(second.id, 'key');
    expect(await names.findByKey('key')).toBe(second.id);
  });
});

it('a creation whose code is taken keeps its next try waiting for nothing', async () => {
  const instance = await stage.instance('one');
  const taken = opened(stage, 'one');
  await instance.state.create(taken, () => undefined);
  const collides = { ...opened(stage, 'one', 2, { keyHash: 'key' }), code: taken.code };
  expect(await instance.state.create(collides, () => undefined)).toEqual({ kind: 'code_taken' });
  // The clock stands still: what waits for a claim to run out would wait in vain.
  const again = opened(stage, 'one', 2, { keyHash: 'key' });
  expect((await instance.state.create(again, () => undefined)).kind).toBe('created');
  const repeated = opened(stage, 'one', 2, { keyHash: 'key' });
  const answer = await instance.state.create(repeated, () => undefined);
  expect(answer).toEqual({ kind: 'key_taken', sessionId: again.id });
  expect(await instance.state.countLiveCodes()).toBe(2);
});
