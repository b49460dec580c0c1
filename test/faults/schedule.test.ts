import { describe, expect, it } from '@jest/globals';
import type { Scenario } from './scenario.ts';
import { SCENARIOS } from './scenarios/scenarios.ts';
import { parseOptions, schedule, UsageError } from './schedule.ts';

const FRESH = 77;

function rounds(count: number, args: readonly string[], scenarios: readonly Scenario[] = SCENARIOS) {
  const all = schedule(
    scenarios,
    parseOptions(args, () => FRESH),
  );
  return Array.from({ length: count }, () =>
    all.next().value.map(({ scenario, hotState, seed }) => `${scenario.name} ${hotState} ${seed}`),
  );
}

describe('schedule', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(rounds(3, ['--seed', '5'])).toEqual(rounds(3, ['--seed', '5']));
    expect(rounds(3, ['--seed', '5'])).not.toEqual(rounds(3, ['--seed', '6']));
  });

  it('has every scenario once in each round, and a seed of its own for each round', () => {
    const three = rounds(3, ['--seed', '5']);
    for (const round of three) {
      const names = SCENARIOS.filter(({ isApart }) => isApart !== true).map(({ name }) => name);
      expect(round.map((planned) => planned.split(' ')[0]).sort()).toEqual(names.sort());
    }
    expect(new Set(three.map(([planned]) => planned?.split(' ')[2])).size).toBe(3);
  });

  it('repeats one scenario of any round by the seed that was printed with it', () => {
    const [, second = []] = rounds(2, ['--seed', '5']);
    const printed = second.find((planned) => planned.startsWith('F4 ')) ?? '';
    const [name = '', hotState = '', seed = ''] = printed.split(' ');
    expect(rounds(1, ['--only', name, '--state', hotState, '--seed', seed])).toEqual([[printed]]);
  });

  it('has what stands apart only where it is named', () => {
    expect(rounds(1, ['--only', 'rollbacks,mixed', '--seed', '5']).flat().sort()).toEqual([
      'MIXED redis 5',
      'ROLLBACKS redis 5',
    ]);
  });

  it('takes what can run on the state that was asked for', () => {
    const names = rounds(1, ['--state', 'embedded']).flat();
    expect(names.map((planned) => planned.split(' ')[0]).sort()).toEqual(['F1', 'F16', 'F2']);
    expect(rounds(1, [])[0]?.[0]).toContain(String(FRESH));
  });

  it('gives what a scenario may be asked for with each of them', () => {
    const options = (...args: string[]) => parseOptions(args, () => FRESH).run;
    expect(options()).toEqual({ count: null, minutes: null, isLong: false, other: null });
    expect(options('--count', '100', '--long', '--other', 'before')).toEqual({
      count: 100,
      minutes: null,
      isLong: true,
      other: 'before',
    });
    expect(options('--minutes', '5').isLong).toBe(false);
    expect(options('--minutes', '60')).toEqual({ count: null, minutes: 60, isLong: true, other: null });
    const [planned] = schedule(
      SCENARIOS,
      parseOptions(['--count', '7'], () => FRESH),
    ).next().value;
    expect(planned?.options.count).toBe(7);
  });

  it('says in words what a scenario lacks', () => {
    const twoVersions = SCENARIOS.find(({ name }) => name === 'F20');
    const lacks = (other: string | null) => twoVersions?.lacks?.({ count: null, minutes: null, isLong: false, other });
    expect(lacks(null)).toContain('--other <directory>');
    expect(lacks(import.meta.dirname)).toContain('no built server');
  });

  it.each([
    [['--only', 'F99'], 'expected scenarios'],
    [['--only', 'F7', '--state', 'embedded'], 'none of these scenarios runs on embedded'],
    [['--seed', '1.5'], 'expected a whole number for --seed, got 1.5'],
    [['--seed', ''], 'expected a whole number for --seed'],
    [['--minutes', '0'], 'expected a number above 0 for --minutes'],
    [['--state', 'disk'], 'expected one of embedded'],
    [['--count', 'many'], 'expected a whole number for --count'],
    [['--speed', '1'], '--speed'],
  ])('refuses %j', (args, complaint) => {
    expect(() => rounds(1, args)).toThrow(UsageError);
    expect(() => rounds(1, args)).toThrow(complaint);
  });
});
