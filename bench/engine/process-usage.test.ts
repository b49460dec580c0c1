import { describe, expect, it } from '@jest/globals';
import { cpuSecondsOf, parseCpuSeconds, parsePeakBytes, peakBytesOf } from './process-usage.ts';

describe('usage of a process', () => {
  it('adds user and system time, also when the name of the process holds spaces and parentheses', () => {
    const stat = '42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 7 9 20 0 11 0 1000 0 0';
    expect(parseCpuSeconds(stat)).toBe(3);
  });

  it('reads the peak of the resident memory, not the present one', () => {
    expect(parsePeakBytes('Name:\tnode\nVmPeak:\t  9000 kB\nVmHWM:\t   512 kB\nVmRSS:\t   100 kB\n')).toBe(524_288);
    expect(parsePeakBytes('Name:\tkthreadd\n')).toBeNull();
  });

  it('is null for a process that does not exist', () => {
    const beyondEveryPid = 2 ** 30;
    expect(cpuSecondsOf(beyondEveryPid)).toBeNull();
    expect(peakBytesOf(beyondEveryPid)).toBeNull();
  });
});
