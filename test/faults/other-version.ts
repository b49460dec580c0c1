import { existsSync } from 'node:fs';
import path from 'node:path';

const PLACES = [path.join('dist', 'server', 'main.js'), path.join('server', 'main.js')];

/** What starts the server that was built in this directory; null when there is none. */
export function mainIn(directory: string): string | null {
  const found = PLACES.map((place) => path.resolve(directory, place)).find((file) => existsSync(file));
  return found ?? null;
}
