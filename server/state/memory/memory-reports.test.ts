import { describeInstanceReports } from '../conformance/reports.conformance.ts';
import { MemoryReports } from './memory-reports.ts';

describeInstanceReports('MemoryReports', () => {
  let now = Date.parse('2026-01-31T12:00:00.000Z');
  return Promise.resolve({
    reports: new MemoryReports(() => now),
    now: () => now,
    advance: (ms: number) => {
      now += ms;
    },
    close: () => Promise.resolve(),
  });
});
