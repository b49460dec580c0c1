import { describe, expect, it } from '@jest/globals';
import { consoleReport } from '../../test/support/console-report.ts';
import { instancesOf, stateChanges, stateText } from './instance-states.ts';

const AT = '2026-01-31T12:00:11.000Z';
const REPORTED = '2026-01-31T12:00:10.000Z';

describe('instances', () => {
  it('are named by as much of their ids as tells them apart, and those that live come first', () => {
    const instances = instancesOf(AT, [
      consoleReport({ instanceId: 'aaaa-silent-1', reportedAt: '2026-01-31T12:00:01.000Z' }),
      consoleReport({ instanceId: 'bbbb-later-11', startedAt: '2026-01-31T12:00:05.000Z' }),
      consoleReport({ instanceId: 'cccc-first-11' }),
      consoleReport({ instanceId: 'dddd-first-11', state: 'draining' }),
    ]);
    expect(instances.map(({ id, name, state }) => [id, name, state])).toEqual([
      ['cccc-first-11', 'cccc-first-11'.slice(-10), 'ready'],
      ['dddd-first-11', 'dddd-first-11'.slice(-10), 'draining'],
      ['bbbb-later-11', 'bbbb-later-11'.slice(-10), 'ready'],
      ['aaaa-silent-1', 'aaaa-silent-1'.slice(-10), 'silent'],
    ]);
  });

  it('say their state in words', () => {
    const report = consoleReport({ reportedAt: REPORTED });
    expect(stateText({ state: 'not_ready', report })).toBe('Not ready');
    expect(stateText({ state: 'silent', report })).toMatch(/^Silent since \d\d:\d\d:10$/);
  });

  it('are told of when they change, and not at each report', () => {
    const at = (own: Parameters<typeof consoleReport>[0][]) => instancesOf(AT, own.map(consoleReport));
    const before = at([{ instanceId: 'one-111111' }, { instanceId: 'two-222222' }, { instanceId: 'six-666666' }]);
    expect(stateChanges([], before)).toEqual([]);
    expect(stateChanges(before, before)).toEqual([]);
    const now = at([
      { instanceId: 'one-111111', state: 'silent' },
      { instanceId: 'two-222222', state: 'draining' },
      { instanceId: 'new-333333' },
    ]);
    expect(stateChanges(before, now).sort()).toEqual([
      'Instance 111111 does not report any more.',
      'Instance 222222 is draining.',
      'Instance 333333 has started.',
      'Instance 666666 is gone.',
    ]);
  });
});
