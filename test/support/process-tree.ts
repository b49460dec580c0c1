import { readdirSync, readFileSync } from 'node:fs';
import { eventually } from './eventually.ts';

/** State and parent of a process, of Linux's /proc; null when it has ended. */
function statusOf(pid: number): { state: string; parent: number } | null {
  try {
    // After the name, which is in parentheses and may contain any character.
    const [state = '', parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return { state, parent: Number(parent) };
  } catch {
    return null;
  }
}

/** A process and all that descend from it. */
export function processTree(root: number): number[] {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const parents = new Map(all.map((name) => [Number(name), statusOf(Number(name))?.parent]));
  const tree = [root];
  for (const pid of tree) for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  return tree;
}

/** Stops a process and all that descend from it, as the sleep of its machine does; the returned function wakes them. */
export async function freezeTree(root: number): Promise<() => void> {
  const frozen = new Set<number>();
  const thaw = (): void => {
    // Children first: a browser that runs before its pages takes them for hung.
    for (const pid of [...frozen].reverse()) signal(pid, 'SIGCONT');
    frozen.clear();
  };
  try {
    await eventually(() => {
      // Until nothing of it runs: a process may have started another one just before it was stopped.
      const running = processTree(root).filter((pid) => !['T', 'Z', undefined].includes(statusOf(pid)?.state));
      for (const pid of running) {
        signal(pid, 'SIGSTOP');
        frozen.add(pid);
      }
      if (running.length > 0) return Promise.reject(new Error(`these still run: ${running.join(', ')}`));
      return Promise.resolve();
    });
  } catch (error) {
    thaw();
    throw error;
  }
  return thaw;
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGCONT'): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended by itself.
  }
}
