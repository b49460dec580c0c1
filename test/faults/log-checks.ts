import type { ClientView } from './client-view.ts';
import { isSame } from './client-view.ts';
import type { SessionEvidence } from './evidence.ts';
import type { ClientRecord } from './record.ts';
import type { Verdict } from './verdict.ts';

export type Views = ReadonlyMap<ClientRecord, ClientView>;

/** I1: every id that was ever acknowledged stands in the log, as the number that the last valid answer named. */
export function checkAcknowledged(session: SessionEvidence, views: Views, verdict: Verdict): void {
  const seqById = new Map(session.log.map(({ id, seq }) => [id, seq]));
  for (const [record, { acknowledged }] of views) {
    const ids = new Set(record.entries.flatMap((entry) => (entry.kind === 'ok' ? [entry.id] : [])));
    for (const id of ids) {
      verdict.examine(
        'I1',
        seqById.has(id),
        () => `${where(session, record)}: ${id} was acknowledged and is not stored`,
      );
    }
    for (const { id, seq } of acknowledged) {
      const stored = seqById.get(id) ?? seq;
      verdict.examine(
        'I1',
        stored === seq,
        () => `${where(session, record)}: ${id} was acknowledged as ${seq} and is stored as ${stored}`,
      );
    }
  }
}

/** I2: no id and no seq stands twice anywhere, and nothing is handed out or acknowledged as two. */
export function checkUnique(session: SessionEvidence, views: Views, verdict: Verdict): void {
  const sources: [string, readonly { seq: number; id: string | null }[]][] = [
    ['the log', session.log],
    ['Postgres', session.postgres ?? []],
    ['Redis', session.redis ?? []],
  ];
  for (const [source, entries] of sources) {
    const seqs = new Set<number>();
    const ids = new Set<string>();
    for (const { seq, id } of entries) {
      verdict.examine('I2', !seqs.has(seq), () => `${session.sessionId}: ${source} has number ${seq} twice`);
      seqs.add(seq);
      if (id === null) continue;
      verdict.examine('I2', !ids.has(id), () => `${session.sessionId}: ${source} has ${id} twice`);
      ids.add(id);
    }
  }
  for (const [record, { acknowledged }] of views) {
    const seqById = new Map<string, number>();
    for (const { id, seq } of acknowledged) {
      const before = seqById.get(id) ?? seq;
      verdict.examine(
        'I2',
        before === seq,
        () => `${where(session, record)}: ${id} was acknowledged as ${before} and as ${seq}`,
      );
      seqById.set(id, seq);
    }
  }
}

/** I3: numbers without a hole from 1 on, everybody's numbers those of the log, and what was sent after an answer stands after it. */
export function checkOrder(session: SessionEvidence, views: Views, verdict: Verdict): void {
  for (const [index, { seq, id }] of session.log.entries()) {
    verdict.examine('I3', seq === index + 1, () => `${session.sessionId}: ${id} is ${seq} where ${index + 1} is due`);
  }
  const bySeq = new Map(session.log.map((message) => [message.seq, message]));
  for (const [record, { known, contradictions }] of views) {
    for (const contradiction of contradictions)
      verdict.examine('I3', false, () => `${session.sessionId}: ${contradiction}`);
    for (const [seq, { id, message }] of known) {
      const stored = bySeq.get(seq);
      // What is not stored at all is a loss that was not told: I4 has it.
      if (stored === undefined) continue;
      verdict.examine(
        'I3',
        stored.id === id && (message === null || isSame(stored, message)),
        () => `${where(session, record)} knows ${id} as number ${seq}, and the log has ${JSON.stringify(stored)}`,
      );
    }
  }
  for (const { early, late } of disordered(session, views)) {
    verdict.examine(
      'I3',
      false,
      () => `${session.sessionId}: ${late} was sent after the answer to ${early} and stands before it`,
    );
  }
}

/**
 * Pairs of messages of which one was sent first when the other had been answered, and which stand the other way round.
 * Answers that a rebuilt store made void prove nothing.
 */
export function disordered(session: SessionEvidence, views: Views): { early: string; late: string }[] {
  const invokedAt = new Map<string, number>();
  const answeredAt = new Map<string, number>();
  const keptUpTo = Math.min(...[...views.values()].map(({ resetAfterSeq }) => resetAfterSeq));
  for (const [record, { acknowledged }] of views) {
    for (const entry of record.entries) {
      if (entry.kind === 'invoke' && !invokedAt.has(entry.id)) invokedAt.set(entry.id, entry.at);
    }
    for (const { id, at, seq, epoch } of acknowledged) {
      if (answeredAt.has(id) || (epoch !== session.epoch && seq > keptUpTo)) continue;
      answeredAt.set(id, at);
    }
  }
  const found: { early: string; late: string }[] = [];
  let earliest: { id: string; at: number } | null = null;
  for (const { id } of session.log.toReversed()) {
    const invoked = invokedAt.get(id);
    if (earliest !== null && invoked !== undefined && earliest.at < invoked)
      found.push({ early: earliest.id, late: id });
    const answered = answeredAt.get(id);
    if (answered !== undefined && (earliest === null || answered < earliest.at)) earliest = { id, at: answered };
  }
  return found;
}

export function where({ sessionId }: SessionEvidence, { client }: ClientRecord): string {
  return `${sessionId} ${client}`;
}
