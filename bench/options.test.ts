import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { parseOptions, SCENARIO_NAMES, SHORT_SCENARIOS } from './options.ts';

/** Any file that exists: the server may not be built where unit tests run. */
const BUILT = ['--server', fileURLToPath(import.meta.url)];

describe('parseOptions', () => {
  it('runs a short selection as it is defined when nothing is asked', () => {
    expect(parseOptions(BUILT)).toMatchObject({
      scenarios: SHORT_SCENARIOS,
      durationMs: 10_000,
      pairs: null,
      ratePerSecond: null,
      sessions: null,
      messages: null,
      rounds: null,
      appendfsync: 'everysec',
      format: 'text',
    });
  });

  it('takes scenarios and numbers', () => {
    const options = parseOptions([...BUILT, 'open500', '--duration', '2.5', '--pairs', '3', '--rate', '40']);
    expect(options).toMatchObject({ scenarios: ['open500'], durationMs: 2_500, pairs: 3, ratePerSecond: 40 });
  });

  it('runs everything when all is asked', () => {
    expect(parseOptions([...BUILT, 'all']).scenarios).toEqual(SCENARIO_NAMES);
  });

  it('takes rounds, and how often the Redis of the contenders reaches its disk', () => {
    const options = parseOptions([...BUILT, 'peers', '--rounds', '6', '--appendfsync', 'always']);
    expect(options).toMatchObject({ rounds: 6, appendfsync: 'always' });
    expect(() => parseOptions([...BUILT, 'peers', '--appendfsync', 'sometimes'])).toThrow(/everysec, always, no/);
  });

  it('takes the size of an archive and the format of the figures', () => {
    const options = parseOptions([...BUILT, 'history', '--sessions', '100', '--messages', '2000', '--format', 'json']);
    expect(options).toMatchObject({ scenarios: ['history'], sessions: 100, messages: 2000, format: 'json' });
  });

  it('asks for the built server only where one is started', () => {
    const missing = ['--server', './no-such-file.js'];
    expect(parseOptions(['history', 'archive', 'tokens', ...missing]).scenarios).toHaveLength(3);
    expect(() => parseOptions(['tokens', 'logins', ...missing])).toThrow('expected the built server at');
    expect(() => parseOptions(['history', 'pair', ...missing])).toThrow('expected the built server at');
  });

  it.each([
    [['five'], 'expected a scenario'],
    [['pair', '--pairs', '1.5'], 'expected a whole number for --pairs, got 1.5'],
    [['pair', '--duration', '0'], 'expected a number above 0 for --duration, got 0'],
    [['pair', '--rate', 'Infinity'], 'expected a number above 0 for --rate'],
    [['pair', '--speed', '1'], '--speed'],
    [['history', '--format', 'xml'], 'expected a format (text, markdown, json), got xml'],
    [['--server', './no-such-file.js'], 'expected the built server at'],
  ])('refuses %j', (args, message) => {
    expect(() => parseOptions([...BUILT, ...args])).toThrow(message);
  });
});
