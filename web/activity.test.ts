import { describe, expect, it } from '@jest/globals';
import type { ActivityState } from '../client/index.ts';
import { Activity } from './activity.ts';
import type { Told } from './activity.ts';

function stage() {
  let nowMs = 1_000_000;
  const told: ActivityState[] = [];
  let isAnswering = true;
  const session: Told = {
    reportActivity: (state: ActivityState) => {
      told.push(state);
      return isAnswering ? Promise.resolve() : Promise.reject(new Error('no answer'));
    },
  };
  const activity = new Activity(() => nowMs);
  /** Ticks once a second, as the page does. */
  const pass = async (seconds: number, of: Told | null = session): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      nowMs += 1000;
      activity.update(of);
      await Promise.resolve();
      await Promise.resolve();
    }
  };
  return { activity, told, pass, session, setAnswering: (is: boolean) => (isAnswering = is) };
}

describe('activity', () => {
  it('is idle after a minute without input and active with the next, told once each', async () => {
    const { activity, told, pass } = stage();
    await pass(59);
    expect(told).toEqual([]);
    await pass(600);
    expect(told).toEqual(['idle']);
    activity.input();
    await pass(30);
    expect(told).toEqual(['idle', 'active']);
  });

  it('is idle at once when the page is hidden', async () => {
    const { activity, told, pass } = stage();
    activity.setHidden(true);
    await pass(1);
    expect(told).toEqual(['idle']);
    activity.setHidden(false);
    await pass(10);
    expect(told).toEqual(['idle', 'active']);
  });

  it('is told rarely, however often it changes', async () => {
    const { activity, told, pass } = stage();
    for (let change = 0; change < 60; change++) {
      activity.setHidden(change % 2 === 0);
      await pass(1);
    }
    expect(told.length).toBeLessThanOrEqual(12);
  });

  it('is told again when there was no answer', async () => {
    const { activity, told, pass, setAnswering } = stage();
    setAnswering(false);
    activity.setHidden(true);
    await pass(4);
    expect(told).toEqual(['idle']);
    setAnswering(true);
    await pass(60);
    expect(told).toEqual(['idle', 'idle']);
  });

  it('is told to a session that is connected, and to each one', async () => {
    const { activity, told, pass, session } = stage();
    activity.setHidden(true);
    await pass(10, null);
    expect(told).toEqual([]);
    await pass(10);
    expect(told).toEqual(['idle']);
    await pass(10, { ...session });
    expect(told).toEqual(['idle', 'idle']);
  });
});
