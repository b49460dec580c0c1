import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';

/** One line on what the figures were measured on; they mean nothing without it. */
export function describeMachine(): string {
  const memoryGib = (totalmem() / 2 ** 30).toFixed(1);
  const load = (loadavg()[0] ?? 0).toFixed(2);
  return `${availableParallelism()} cores, ${processorModel()}, ${memoryGib} GiB, Node.js ${process.version}, load before the run ${load}`;
}

function processorModel(): string {
  try {
    const model = /^model name\s*:\s*(.+)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1];
    if (model !== undefined) return model.trim();
  } catch {
    // Not Linux: Node.js knows the model as well.
  }
  return cpus()[0]?.model.trim() ?? 'unknown processor';
}
