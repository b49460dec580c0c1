import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A script of the tests in a process of its own, which can be killed like a real one. */
export interface ChildScript {
  readonly pid: number;
  /** The next line that it prints; rejects, with what it said on stderr, when it ends instead. */
  nextLine(): Promise<string>;
  /** All lines so far that nobody took. */
  takeLines(): string[];
  writeLine(line: string): void;
  /** Resolves when it has ended: its exit code, or null when a signal ended it. */
  kill(signal?: NodeJS.Signals): Promise<number | null>;
  readonly exit: Promise<number | null>;
}

/** `script` lies below the root of the project. */
export function runScript(script: string, ...args: string[]): ChildScript {
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], { cwd: root });
  if (child.pid === undefined) throw new Error(`${script} could not be started`);
  const { pid } = child;
  const lines: string[] = [];
  const waiting: { resolve: (line: string) => void; reject: (error: Error) => void }[] = [];
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  createInterface(child.stdout).on('line', (line) => {
    const next = waiting.shift();
    if (next === undefined) lines.push(line);
    else next.resolve(line);
  });
  let ended: Error | null = null;
  const exit = new Promise<number | null>((resolve) => {
    // After 'exit', and after all that it printed was read.
    child.on('close', (code, signal) => {
      ended = new Error(`${script} ended with ${code ?? signal}: ${stderr}`);
      for (const { reject } of waiting.splice(0)) reject(ended);
      resolve(code);
    });
  });
  return {
    pid,
    nextLine: () => {
      const line = lines.shift();
      if (line !== undefined) return Promise.resolve(line);
      if (ended !== null) return Promise.reject(ended);
      return new Promise((resolve, reject) => waiting.push({ resolve, reject }));
    },
    takeLines: () => lines.splice(0),
    writeLine: (line) => void child.stdin.write(`${line}\n`),
    kill: (signal = 'SIGKILL') => {
      child.kill(signal);
      return exit;
    },
    exit,
  };
}
