import { readFileSync } from 'node:fs';

/** USER_HZ, the unit of times in /proc: 100 on every platform of Linux that Node.js runs on. */
const TICKS_PER_SECOND = 100;

/**
 * User and system time of a process with all its threads, those that have ended included (proc(5), fields 14 and 15).
 * The grain is 10 ms. Null where there is no /proc or no such process.
 */
export function cpuSecondsOf(pid: number): number | null {
  const stat = read(`/proc/${pid}/stat`);
  return stat === null ? null : parseCpuSeconds(stat);
}

/** Largest resident memory that the process ever had, in bytes (`VmHWM`). */
export function peakBytesOf(pid: number): number | null {
  const status = read(`/proc/${pid}/status`);
  return status === null ? null : parsePeakBytes(status);
}

export function parseCpuSeconds(stat: string): number {
  // The name of the process stands in parentheses and may hold spaces and parentheses itself.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** A thread of the kernel has none. */
export function parsePeakBytes(status: string): number | null {
  const kibibytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? null : Number(kibibytes) * 1024;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Not Linux, or the process is gone: the figure is then reported as not measured.
    return null;
  }
}
