import type { Expectations, SessionEvidence } from './evidence.ts';
import type { Views } from './log-checks.ts';
import { where } from './log-checks.ts';
import type { ClientRecord, Entry } from './record.ts';
import type { Verdict } from './verdict.ts';

/** I4: whatever a client does not have, or no longer has, it was told of; and it was told of nothing that is not so. */
export function checkAnnounced(session: SessionEvidence, views: Views, expected: Expectations, verdict: Verdict): void {
  const stored = new Set(session.log.map(({ seq }) => seq));
  for (const [record, { known, gaps }] of views) {
    const name = where(session, record);
    const isSeated = record.entries.every(({ kind }) => kind !== 'revoked');
    for (let seq = record.joinedSeq + 1; isSeated && seq <= session.lastSeq; seq += 1) {
      verdict.examine(
        'I4',
        known.has(seq) || gaps.has(seq),
        () => `${name} never got number ${seq}, and nobody told it`,
      );
    }
    for (const [seq, { id }] of known) {
      verdict.examine(
        'I4',
        stored.has(seq),
        () => `${name} knows ${id} as number ${seq}, which is gone, and nobody told it`,
      );
    }
    for (const seq of gaps) {
      verdict.examine('I4', !stored.has(seq), () => `${name} was told that number ${seq} exists nowhere, and it does`);
    }
    for (const entry of record.entries) {
      if (entry.kind !== 'reset' && entry.kind !== 'gap') continue;
      verdict.examine(
        'I4',
        expected.mayLose,
        () => `${name} was told of a loss where none can be: ${JSON.stringify(entry)}`,
      );
    }
    if (record.kind === 'library') checkHandedOut(session, record, verdict);
  }
}

/** The library's promise: each message once, in order, a gap told at its place. */
function checkHandedOut(session: SessionEvidence, record: ClientRecord, verdict: Verdict): void {
  const name = where(session, record);
  let due = record.joinedSeq + 1;
  for (const entry of record.entries) {
    if (entry.kind === 'gap') due = entry.toSeq + 1;
    else if (entry.kind === 'reset') due = Math.min(due, Math.max(entry.afterSeq, record.joinedSeq) + 1);
    else if (entry.kind === 'seen') {
      const { seq, id } = entry.message;
      const expectedSeq = due;
      verdict.examine('I2', seq >= due, () => `${name} was handed ${id}, number ${seq}, when ${expectedSeq} was due`);
      verdict.examine(
        'I4',
        seq <= due,
        () => `${name} was handed number ${seq} when ${expectedSeq} was due, and told of no gap`,
      );
      due = Math.max(due, seq + 1);
    }
  }
}

/** I6: on a connection that stays, each attempt is answered in time, by an ack or a typed error that may come again. */
export function checkAnswered(
  session: SessionEvidence,
  records: readonly ClientRecord[],
  expected: Expectations,
  verdict: Verdict,
): void {
  for (const record of records) {
    const name = where(session, record);
    const settled = new Set<string>();
    const invoked = new Map<string, number>();
    const isCutAt = cutsOf(record.entries);
    const revokedAt = record.entries.find(({ kind }) => kind === 'revoked')?.at ?? Infinity;
    for (const entry of record.entries) {
      if (entry.kind === 'invoke') {
        invoked.set(`${entry.id}/${entry.attempt}`, entry.at);
        continue;
      }
      if (entry.kind !== 'ok' && entry.kind !== 'fail' && entry.kind !== 'unknown') continue;
      if (entry.kind !== 'unknown') settled.add(entry.id);
      // Refusals are what is due to somebody who was put out: I7 looks at them.
      if (entry.at > revokedAt) continue;
      verdict.examine('I6', entry.kind !== 'fail', () => `${name}: ${entry.id} was refused for good: ${codeOf(entry)}`);
      const at = invoked.get(`${entry.id}/${entry.attempt}`);
      // The library repeats by itself, and tells the end alone.
      if (record.kind === 'library' || at === undefined || isCutAt(at, entry.at)) continue;
      const tookMs = entry.at - at;
      verdict.examine(
        'I6',
        tookMs <= expected.answerWithinMs,
        () => `${name}: ${entry.id}, attempt ${entry.attempt}, was ${outcomeOf(entry)} after ${Math.round(tookMs)} ms`,
      );
    }
    for (const id of revokedAt === Infinity ? record.bodies.keys() : []) {
      verdict.examine('I6', settled.has(id), () => `${name}: ${id} was never answered`);
    }
  }
}

/** I7: nothing that is begun later than the bound succeeds, and nothing is delivered. */
export function checkRevoked(
  session: SessionEvidence,
  records: readonly ClientRecord[],
  expected: Expectations,
  verdict: Verdict,
): void {
  for (const record of records) {
    const revoked = record.entries.find(({ kind }) => kind === 'revoked');
    if (revoked === undefined) continue;
    const end = revoked.at + expected.revocationMs;
    const invoked = new Map<string, number>();
    verdict.examine('I7', true, () => '');
    for (const entry of record.entries) {
      if (entry.kind === 'invoke') invoked.set(`${entry.id}/${entry.attempt}`, entry.at);
      const begunAt = entry.kind === 'ok' ? (invoked.get(`${entry.id}/${entry.attempt}`) ?? entry.at) : entry.at;
      const isServed = entry.kind === 'ok' || entry.kind === 'seen' || entry.kind === 'resumed';
      verdict.examine(
        'I7',
        !isServed || begunAt <= end,
        () =>
          `${where(session, record)} was put out, and ${entry.kind} came ${Math.round(begunAt - revoked.at)} ms later`,
      );
    }
  }
}

/** Whether the client's own network was cut at any time between the two: then nobody could answer. */
function cutsOf(entries: readonly Entry[]): (from: number, to: number) => boolean {
  const cuts: { from: number; to: number }[] = [];
  for (const entry of entries) {
    if (entry.kind !== 'network') continue;
    if (entry.isCut) cuts.push({ from: entry.at, to: Infinity });
    else for (const cut of cuts) cut.to = Math.min(cut.to, entry.at);
  }
  return (from, to) => cuts.some((cut) => cut.from <= to && cut.to >= from);
}

function outcomeOf(entry: Extract<Entry, { kind: 'ok' | 'fail' | 'unknown' }>): string {
  if (entry.kind === 'ok') return 'acknowledged';
  return entry.kind === 'fail' ? `refused with ${entry.code}` : `without an outcome (${codeOf(entry)})`;
}

function codeOf(entry: Extract<Entry, { kind: 'ok' | 'fail' | 'unknown' }>): string {
  if (entry.kind === 'ok') return 'ok';
  return entry.kind === 'fail' ? entry.code : (entry.code ?? entry.why);
}
