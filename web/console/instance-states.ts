import type { InstanceReport, InstanceState } from '../../protocol/console.ts';
import { timeText } from './format.ts';
import { isSilent } from './history.ts';

export interface Instance {
  readonly id: string;
  /** The end of its id: enough to tell it from the others. */
  readonly name: string;
  readonly state: InstanceState;
  readonly report: InstanceReport;
}

const SHORTEST_NAME = 6;

/** All instances, those that live first, in the order in which they started. */
export function instancesOf(at: string, reports: readonly InstanceReport[]): Instance[] {
  const length = nameLength(reports.map(({ instanceId }) => instanceId));
  return reports
    .map((report) => ({
      id: report.instanceId,
      name: report.instanceId.slice(-length),
      state: isSilent(report, at) ? 'silent' : report.state,
      report,
    }))
    .sort((a, b) => {
      const bySilence = Number(a.state === 'silent') - Number(b.state === 'silent');
      if (bySilence !== 0) return bySilence;
      return a.report.startedAt.localeCompare(b.report.startedAt) || a.id.localeCompare(b.id);
    });
}

/** Ids made at the same time begin alike, so it is their ends that differ. */
function nameLength(ids: readonly string[]): number {
  const distinct = new Set(ids).size;
  let length = SHORTEST_NAME;
  while (length < 64 && new Set(ids.map((id) => id.slice(-length))).size < distinct) length += 2;
  return length;
}

export function stateText({ state, report }: Pick<Instance, 'state' | 'report'>): string {
  switch (state) {
    case 'ready':
      return 'Ready';
    case 'not_ready':
      return 'Not ready';
    case 'draining':
      return 'Draining';
    case 'silent':
      return `Silent since ${timeText(report.reportedAt)}`;
  }
}

/** What has changed, for who hears and does not see: one sentence for each instance that is in another state than before. */
export function stateChanges(before: readonly Instance[], now: readonly Instance[]): string[] {
  if (before.length === 0) return [];
  const states = new Map(before.map(({ id, state }) => [id, state]));
  const names = new Set(now.map(({ id }) => id));
  return [
    ...now
      .filter(({ id, state }) => states.get(id) !== state)
      .map((instance) => changeText(instance, states.get(instance.id))),
    ...before.filter(({ id }) => !names.has(id)).map(({ name }) => `Instance ${name} is gone.`),
  ];
}

function changeText({ name, state }: Instance, before: InstanceState | undefined): string {
  switch (state) {
    case 'ready':
      return before === undefined ? `Instance ${name} has started.` : `Instance ${name} is ready.`;
    case 'not_ready':
      return `Instance ${name} is not ready.`;
    case 'draining':
      return `Instance ${name} is draining.`;
    case 'silent':
      return `Instance ${name} does not report any more.`;
  }
}
