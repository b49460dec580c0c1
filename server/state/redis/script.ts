import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A Lua script: run by its digest, sent whole where a node does not know it. */
export interface Script {
  readonly name: string;
  readonly source: string;
  readonly sha1: string;
}

/** The script of that name, from `scripts/`. */
export function loadScript(name: string): Script {
  const source = `${read('clock')}\n${read(name)}`;
  return { name, source, sha1: createHash('sha1').update(source).digest('hex') };
}

function read(name: string): string {
  return readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');
}
