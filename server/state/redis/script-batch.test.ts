import { describe, expect, it } from '@jest/globals';
import type { RedisReply } from './client.ts';
import { RedisReplyError, unavailable } from './client-errors.ts';
import { ScriptBatch, type BatchedCall } from './script-batch.ts';

interface Asked {
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

/**
 * A script that gives each argument back, after the shared one; `refuse` says what it fails at. `busy` keeps the batch
 * waiting behind one call, and gives what lets it go on.
 */
function stage(refuse: (args: readonly string[]) => Error | null = () => null) {
  const asked: Asked[] = [];
  let held: Promise<void> | null = null;
  const batch = new ScriptBatch({
    run: async (keys, args) => {
      asked.push({ keys, args });
      await held;
      const error = refuse(args);
      if (error !== null) throw error;
      return args.slice(1).map((arg) => `${arg}!`);
    },
    shared: ({ args: [first = ''] }) => [`shared of ${first}`],
    most: 32,
  });
  const busy = (...groups: string[]) => {
    let release: () => void = () => undefined;
    held = new Promise((resolve) => (release = resolve));
    const first = groups.map((group) => batch.call(group, callOf('busy')));
    held = null;
    asked.length = 0;
    return async () => {
      release();
      await Promise.allSettled(first);
    };
  };
  return { asked, batch, busy };
}

const callOf = (name: string): BatchedCall => ({ keys: [`key of ${name}`], args: [name] });
const namesOf = (count: number, prefix = '') => Array.from({ length: count }, (_, index) => `${prefix}${index}`);
const turn = () => new Promise((resolve) => void setImmediate(resolve));

/** What became of each call: its answer, or the text of its error. */
async function outcomes(calls: readonly Promise<RedisReply>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(calls);
  return settled.map((one) => (one.status === 'fulfilled' ? one.value : (one.reason as Error).message)); // Errors alone.
}

describe('calls of one script', () => {
  it('go out at once when nothing is under way, and together while something is, in their order', async () => {
    const { asked, batch, busy } = stage();
    const goOn = busy('');
    const calls = namesOf(3).map((name) => batch.call('', callOf(name)));
    expect(asked).toEqual([]);
    await goOn();
    expect(await outcomes(calls)).toEqual(['0!', '1!', '2!']);
    expect(asked).toEqual([{ keys: ['key of 0', 'key of 1', 'key of 2'], args: ['shared of 0', '0', '1', '2'] }]);
    await turn();
    const later = batch.call('', callOf('later'));
    expect(asked.at(-1)).toEqual({ keys: ['key of later'], args: ['shared of later', 'later'] });
    expect(await later).toBe('later!');
  });

  it('go apart for what must not go together', async () => {
    const { asked, batch, busy } = stage();
    const goOn = busy('even', 'odd');
    const calls = namesOf(6).map((name, index) => batch.call(index % 2 === 0 ? 'even' : 'odd', callOf(name)));
    await goOn();
    expect(await outcomes(calls)).toEqual(namesOf(6).map((name) => `${name}!`));
    expect(asked.map(({ args }) => args.slice(1).join())).toEqual(['0,2,4', '1,3,5']);
  });

  it('are never more than 32: so many do not wait, and none is left behind or overtaken', async () => {
    const { asked, batch, busy } = stage();
    const goOn = busy('');
    const calls = namesOf(70).map((name) => batch.call('', callOf(name)));
    expect(asked.map(({ keys }) => keys.length)).toEqual([32, 32]);
    await goOn();
    expect(await outcomes(calls)).toEqual(namesOf(70).map((name) => `${name}!`));
    expect(asked.map(({ keys }) => keys.length)).toEqual([32, 32, 6]);
    expect(asked.flatMap(({ args }) => args.slice(1))).toEqual(namesOf(70));
  });

  it('go out when somebody must come behind them', async () => {
    const { asked, batch, busy } = stage();
    const goOn = busy('');
    const calls = namesOf(2).map((name) => batch.call('', callOf(name)));
    batch.flush('');
    batch.flush('');
    batch.flush('of nobody');
    expect(asked.map(({ args }) => args.slice(1).join())).toEqual(['0,1']);
    await goOn();
    expect(await outcomes(calls)).toEqual(['0!', '1!']);
  });

  it('fail alone at what Redis has against one of them', async () => {
    const { asked, batch, busy } = stage((args) =>
      args.includes('bad') ? new RedisReplyError('WRONGTYPE it is') : null,
    );
    for (const names of [
      ['bad', 'b', 'c'],
      ['a', 'bad', 'c'],
      ['a', 'b', 'bad'],
    ]) {
      const goOn = busy('');
      const calls = names.map((name) => batch.call('', callOf(name)));
      await goOn();
      expect(await outcomes(calls)).toEqual(names.map((name) => (name === 'bad' ? 'WRONGTYPE it is' : `${name}!`)));
      expect(asked.map(({ args }) => args.slice(1).join())).toEqual([names.join(), ...names]);
      expect(asked.slice(1).map(({ args }) => args[0])).toEqual(names.map((name) => `shared of ${name}`));
      await turn();
    }
  });

  it('that fail alone are not asked a second time', async () => {
    const { asked, batch } = stage(() => new RedisReplyError('WRONGTYPE it is'));
    expect(await outcomes([batch.call('', callOf('one'))])).toEqual(['WRONGTYPE it is']);
    expect(asked).toHaveLength(1);
  });

  it('fail together when Redis could not be asked: whether it did them is unknown', async () => {
    const { asked, batch, busy } = stage((args) => (args.includes('busy') ? null : unavailable(new Error('gone'))));
    const goOn = busy('');
    const calls = namesOf(3).map((name) => batch.call('', callOf(name)));
    await goOn();
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(asked).toHaveLength(1);
    // And what comes later is asked all the same.
    await expect(batch.call('', callOf('later'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(asked).toHaveLength(2);
  });

  it('fail at a reply that is none, and at a driver that throws', async () => {
    const strange = new ScriptBatch({ run: () => Promise.resolve('OK'), shared: () => [], most: 2 });
    const calls = namesOf(2).map((name) => strange.call('', callOf(name)));
    for (const call of calls) await expect(call).rejects.toThrow(TypeError);
    const throwing = new ScriptBatch({
      run: () => {
        throw new Error('at once');
      },
      shared: () => [],
      most: 2,
    });
    await expect(throwing.call('', callOf('one'))).rejects.toThrow('at once');
  });
});
