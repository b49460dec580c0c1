import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A Lua script: run by its digest, sent whole where a node does not know it. */
export interface Script {
  readonly name: string;
  readonly source: string;
  readonly sha1: string;
}

/** Functions that scripts share, by the scripts that need more than the clock. */
const SHARED: Readonly<Record<string, readonly string[]>> = {
  append_message: ['refusal', 'windows'],
  count_request: ['refusal'],
  find_send: ['windows'],
  take_limits: ['refusal'],
};

/** The script of that name, from `scripts/`, behind the functions that it shares with others. */
export function loadScript(name: string): Script {
  const source = ['clock', ...(SHARED[name] ?? []), name].map(read).join('\n');
  return { name, source, sha1: createHash('sha1').update(source).digest('hex') };
}

function read(name: string): string {
  return readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');
}
