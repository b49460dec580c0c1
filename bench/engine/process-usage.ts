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

/** The same of a process and of all that it has started, those that have ended and were waited for included. */
export function treeCpuSecondsOf(pid: number): number | null {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === null) return null;
  const children = (read(`/proc/${pid}/task/${pid}/children`) ?? '').split(' ').filter(Boolean).map(Number);
  // One that has just ended is counted with its parent.
  const ofChildren = children.reduce((sum, child) => sum + (treeCpuSecondsOf(child) ?? 0), 0);
  return parseCpuSeconds(stat) + parseEndedCpuSeconds(stat) + ofChildren;
}

/** Largest resident memory that the process ever had, in bytes (`VmHWM`). */
export function peakBytesOf(pid: number): number | null {
  const status = read(`/proc/${pid}/status`);
  return status === null ? null : parsePeakBytes(status);
}

/** Resident memory that it has now, in bytes (`VmRSS`). */
export function residentBytesOf(pid: number): number | null {
  const status = read(`/proc/${pid}/status`);
  const kibibytes = status === null ? undefined : /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return kibibytes === undefined ? null : Number(kibibytes) * 1024;
}

export function parseCpuSeconds(stat: string): number {
  const fields = fieldsOf(stat);
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

export function parentOf(pid: number): number | null {
  const stat = read(`/proc/${pid}/stat`);
  return stat === null ? null : Number(fieldsOf(stat)[1]);
}

/** Of children that have ended (fields 16 and 17). */
function parseEndedCpuSeconds(stat: string): number {
  const fields = fieldsOf(stat);
  return (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

/** From the third on. The name of the process stands in parentheses and may hold spaces and parentheses itself. */
function fieldsOf(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
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
