import { cp, mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Where the build keeps what counts and measures. */
const METRICS = 'server/observability/metrics.js';

/**
 * What the server calls of its metrics, doing nothing: every name is a function without effect. A statement of the
 * database is told to a function too, and a summary holds what the server itself looks at.
 */
const SILENT_METRICS = `
const nothing = () => undefined;
const own = {
  databaseQuery: () => nothing,
  text: async () => ({ contentType: 'text/plain', body: '' }),
  json: () => ({
    ...{ connections: 0, messages: 0, eventLoop: { lagSeconds: 0 }, memory: { rss: 0 } },
    ...{ sessions: { waiting: 0, paired: 0 }, participants: { online: 0, away: 0 } },
  }),
  counted: () => ({ messages: 0, limited: {}, delivery: { bounds: [], within: [], total: 0 } }),
};
export function createMetrics() {
  return new Proxy(own, { get: (target, name) => target[name] ?? nothing });
}
`;

/**
 * A copy of a built server whose metrics do nothing: the server has no switch for them, and one that is only not scraped
 * counts all the same. Returns the script of the copy. `script` is `<root>/dist/server/main.js`; what else is in that
 * root, such as node_modules, is the same for both.
 */
export async function silenceMetrics(script: string, directory: string): Promise<string> {
  const dist = dirname(dirname(script));
  const root = dirname(dist);
  await mkdir(directory, { recursive: true });
  for (const name of await readdir(root)) {
    if (name !== basename(dist)) await symlink(join(root, name), join(directory, name));
  }
  const copy = join(directory, basename(dist));
  await cp(dist, copy, { recursive: true });
  await writeFile(join(copy, METRICS), SILENT_METRICS);
  return join(copy, 'server', basename(script));
}
