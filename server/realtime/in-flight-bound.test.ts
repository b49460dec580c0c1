import { describe, expect, it } from '@jest/globals';
import { InFlightBound } from './in-flight-bound.ts';

describe('the bound of commands in flight', () => {
  let now = 0;
  const bound = () => new InFlightBound({ most: 2048, least: 32 }, () => now);
  function period(of: InFlightBound, durationMs: number, count = 20): void {
    now += 500;
    for (let landing = 0; landing < count; landing += 1) of.landed(durationMs);
  }

  it('is halved while most commands are slow, down to its least', () => {
    const value = bound();
    period(value, 1500);
    expect(value.value).toBe(1024);
    for (let more = 0; more < 20; more += 1) period(value, 1500);
    expect(value.value).toBe(32);
  });

  it('grows again only while it is in use and commands are quick, up to its most', () => {
    const value = bound();
    for (let more = 0; more < 20; more += 1) period(value, 1500);
    period(value, 3);
    expect(value.value).toBe(32);
    for (let more = 0; more < 20; more += 1) {
      value.reached();
      period(value, 3);
    }
    expect(value.value).toBe(2048);
  });

  it('does not follow a few slow commands, or a handful of any', () => {
    const value = bound();
    now += 500;
    for (let landing = 0; landing < 40; landing += 1) value.landed(landing % 3 === 0 ? 1900 : 3);
    period(value, 1900, 3);
    expect(value.value).toBe(2048);
  });
});
