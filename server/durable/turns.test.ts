import { describe, expect, it } from '@jest/globals';
import { createTurns } from './turns.ts';

const PATIENT = new AbortController().signal;

describe('turns', () => {
  it('are taken by so many at once, by the others in the order in which they came', async () => {
    const turns = createTurns(2);
    const order: string[] = [];
    const taken = ['a', 'b', 'c', 'd'].map(async (name) => {
      expect(await turns.take(PATIENT)).toBe(true);
      order.push(name);
    });
    await Promise.all(taken.slice(0, 2));
    expect(order).toEqual(['a', 'b']);
    turns.giveBack();
    await taken[2];
    expect(order).toEqual(['a', 'b', 'c']);
    turns.giveBack();
    await taken[3];
    turns.giveBack();
    turns.giveBack();
    await Promise.all([turns.take(PATIENT), turns.take(PATIENT)]);
  });

  it('are given up with the signal, and then nobody waits in that place', async () => {
    const turns = createTurns(1);
    await turns.take(PATIENT);
    const impatient = new AbortController();
    const first = turns.take(impatient.signal);
    const second = turns.take(PATIENT);
    impatient.abort();
    expect(await first).toBe(false);
    turns.giveBack();
    expect(await second).toBe(true);
    expect(await turns.take(AbortSignal.abort())).toBe(false);
  });
});
