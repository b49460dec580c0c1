import { spawn, type ChildProcess } from 'node:child_process';

/** Its list is one word for each process and one for each directory; what it reads to its end tells that we are gone. */
const SCRIPT = `
pids=' ' dirs=' '
while read -r verb what; do
  case $verb in
    start) pids="$pids$what " ;;
    ended) pids=$(printf %s "$pids" | sed "s| $what | |") ;;
    dir) dirs="$dirs$what " ;;
  esac
done
for pid in $pids; do kill -9 "$pid"; done
for dir in $dirs; do rm -rf "$dir"; done
`;

let guard: ChildProcess | null = null;

function tell(line: string): void {
  if (guard === null) {
    // Detached: Ctrl-C is for the tests, and it is needed just then.
    guard = spawn('sh', ['-c', SCRIPT], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    guard.unref();
    // A pipe of a child does not show in its type that it can be left out of account.
    (guard.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  }
  guard.stdin?.write(`${line}\n`);
}

/** Ends the process and removes directories when this one is gone, however it went: also frozen ones, also after kill -9. */
export function guardProcess(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  tell(`start ${pid}`);
  child.once('exit', () => tell(`ended ${pid}`));
}

export function guardDirectory(directory: string): void {
  tell(`dir ${directory}`);
}
