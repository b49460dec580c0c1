import type { Condition, InstanceReport } from '../../protocol/console.ts';
import { countText, millisecondsText } from './format.ts';
import type { Instance } from './instance-states.ts';

export interface StoreLine {
  readonly key: string;
  readonly name: string;
  /** The worst that an instance sees: what is gone for one is gone for its clients. */
  readonly condition: Condition;
  readonly text: string;
  /** Said when the instances see it differently. */
  readonly disagreement: string | null;
}

const WORST_FIRST: readonly Condition[] = ['failed', 'degraded', 'ok', 'disabled'];
const CONDITION_WORDS: Readonly<Record<Condition, string>> = {
  ok: 'in order',
  degraded: 'degraded',
  failed: 'out of reach',
  disabled: 'not configured',
};
/** Much older than a commit takes, so that it is no hiccup. */
const LATE_ARCHIVE_MS = 60_000;

/** What all instances that report see of the stores. */
export function storeLines(instances: readonly Instance[]): StoreLine[] {
  const alive = instances.filter(({ state }) => state !== 'silent');
  if (alive.length === 0) return [];
  return [
    storeLine('redis', 'Redis', alive, ({ redis }) => redis),
    storeLine('database', 'Postgres', alive, ({ database }) => database),
    archiveLine(alive),
    storeLine('mail', 'Mail', alive, ({ mail }) => ({ ...mail, latencyMs: null })),
    durabilityLine(alive),
  ];
}

type Stores = InstanceReport['stores'];

function storeLine(
  key: string,
  name: string,
  alive: readonly Instance[],
  of: (stores: Stores) => { status: Condition; latencyMs: number | null },
): StoreLine {
  const seen = alive.map((instance) => ({ instance, ...of(instance.report.stores) }));
  const conditions = seen.map(({ status }) => status);
  const condition = WORST_FIRST.find((one) => conditions.includes(one)) ?? 'disabled';
  const latencies = seen.flatMap(({ latencyMs }) => (latencyMs === null ? [] : [latencyMs]));
  const words =
    key === 'redis' && condition === 'disabled'
      ? 'not used: one process keeps all in memory'
      : CONDITION_WORDS[condition];
  const text = latencies.length === 0 ? words : `${words}, answers in ${millisecondsText(Math.max(...latencies))}`;
  return {
    key,
    name,
    condition,
    text: capital(text),
    disagreement: disagreementText(seen.map(({ instance, status }) => [instance.name, CONDITION_WORDS[status]])),
  };
}

/** Each instance archives a share of the sessions, and tells what waits in it. What was set aside is told of all of them. */
function archiveLine(alive: readonly Instance[]): StoreLine {
  const archives = alive.map(({ report }) => report.stores.archive);
  const lagMs = Math.max(...archives.map((archive) => archive.lagMs));
  const backlog = archives.reduce((sum, { backlogMessages }) => sum + backlogMessages, 0);
  const setAside = archives.flatMap(({ sessionsSetAside }) => (sessionsSetAside === null ? [] : [sessionsSetAside]));
  const aside = setAside.length === 0 ? 0 : Math.max(...setAside);
  const parts = [
    backlog === 0 ? 'every message is in Postgres' : `${countText(backlog, 'message')} on the way to Postgres`,
    ...(lagMs > 0 ? [`the oldest for ${millisecondsText(lagMs)}`] : []),
    ...(aside > 0 ? [`${countText(aside, 'session')} set aside because Postgres holds something else`] : []),
  ];
  return {
    key: 'archive',
    name: 'Archive',
    condition: aside > 0 || lagMs > LATE_ARCHIVE_MS ? 'degraded' : 'ok',
    text: `${capital(parts.join(', '))}.`,
    disagreement: null,
  };
}

function durabilityLine(alive: readonly Instance[]): StoreLine {
  const [first] = alive;
  const disagreement = disagreementText(alive.map(({ name, report }) => [name, report.durability]));
  return {
    key: 'durability',
    name: 'Durability',
    condition: disagreement === null ? 'ok' : 'degraded',
    text: first === undefined ? '' : `${first.report.durability}: ${first.report.durabilityMeaning}`,
    disagreement,
  };
}

function disagreementText(seen: readonly (readonly [name: string, what: string])[]): string | null {
  const names = new Map<string, string[]>();
  for (const [name, what] of seen) names.set(what, [...(names.get(what) ?? []), name]);
  if (names.size < 2) return null;
  const parts = [...names].map(([what, who]) => `${what} for ${who.join(', ')}`);
  return `The instances disagree: ${parts.join('; ')}.`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
