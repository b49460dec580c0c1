import type { ClientView } from './client-view.ts';
import { viewOf } from './client-view.ts';
import { checkAnnounced, checkAnswered, checkRevoked } from './client-checks.ts';
import type { Evidence, Expectations, SessionEvidence } from './evidence.ts';
import { checkAcknowledged, checkOrder, checkUnique, disordered } from './log-checks.ts';
import type { Views } from './log-checks.ts';
import type { ClientRecord } from './record.ts';
import { checkAgreement, checkArchived, checkLimits, checkProcesses } from './system-checks.ts';
import { Verdict } from './verdict.ts';
import type { Fate } from './verdict.ts';

/** Holds everything that clients did, were answered and were told against what there is in the end. */
export function check(evidence: Evidence): Verdict {
  const verdict = new Verdict();
  for (const session of evidence.sessions) checkSession(session, evidence.expected, verdict);
  checkProcesses(evidence, verdict);
  return verdict;
}

/** One session at a time, for whoever does not want to hold the evidence of all. */
export function checkSession(session: SessionEvidence, expected: Expectations, verdict: Verdict): void {
  const views = new Map<ClientRecord, ClientView>(session.records.map((record) => [record, viewOf(record)]));
  checkAcknowledged(session, views, verdict);
  checkUnique(session, views, verdict);
  checkOrder(session, views, verdict);
  checkAnnounced(session, views, expected, verdict);
  checkAnswered(session, session.records, expected, verdict);
  checkRevoked(session, session.records, expected, verdict);
  checkArchived(session, verdict);
  checkLimits(session, expected, verdict);
  checkAgreement(session, verdict);
  for (const [id, fate] of fatesOf(session, views)) {
    verdict.fates[fate] += 1;
    // A phantom breaks no number and no acknowledgement: it is nobody's message in everybody's log.
    verdict.examine(
      'I2',
      fate !== 'phantom',
      () => `${session.sessionId}: ${id} is a phantom, nobody sent it like that`,
    );
  }
}

/** What became of each message that was sent, stored or seen. */
export function fatesOf(session: SessionEvidence, views: Views): Map<string, Fate> {
  const sent = new Map<string, { from: string; body: string }>();
  const acknowledged = new Set<string>();
  const refused = new Set<string>();
  const doubtful = new Set<string>();
  const moved = new Set(disordered(session, views).map(({ late }) => late));
  const seqById = new Map(session.log.map(({ id, seq }) => [id, seq]));
  const all = new Set(seqById.keys());

  for (const [record, view] of views) {
    for (const [id, body] of record.bodies) {
      sent.set(id, { from: record.participantId, body: JSON.stringify(body) });
      all.add(id);
    }
    for (const entry of record.entries) {
      if (entry.kind === 'ok') acknowledged.add(entry.id);
      else if (entry.kind === 'fail') refused.add(entry.id);
      else if (entry.kind === 'unknown') doubtful.add(entry.id);
      else if (entry.kind === 'seen') all.add(entry.message.id);
    }
    for (const [seq, { id }] of view.known) if (seqById.has(id) && seqById.get(id) !== seq) moved.add(id);
  }
  const twice = doubled(session);
  // Stored under a sender or with a body that it was not sent with.
  const foreign = new Set(
    session.log.flatMap((message) => {
      const own = sent.get(message.id);
      return own === undefined || isOwn(message, own) ? [] : [message.id];
    }),
  );
  const isPhantom = (id: string): boolean => {
    if (!sent.has(id) || foreign.has(id)) return true;
    // Refused at its only attempts, and stored all the same.
    return seqById.has(id) && refused.has(id) && !acknowledged.has(id) && !doubtful.has(id);
  };
  const fateOf = (id: string): Fate => {
    if (isPhantom(id)) return 'phantom';
    if (twice.has(id)) return 'duplicated';
    if (acknowledged.has(id) && !seqById.has(id)) return 'lost';
    if (moved.has(id)) return 'reordered';
    if (acknowledged.has(id)) return 'ok';
    return refused.has(id) ? 'refused' : 'unsettled';
  };
  return new Map([...all].map((id) => [id, fateOf(id)]));
}

function isOwn(message: { from: string; body: unknown }, own: { from: string; body: string }): boolean {
  return message.from === own.from && JSON.stringify(message.body) === own.body;
}

function doubled({ log, postgres, redis }: SessionEvidence): Set<string> {
  const twice = new Set<string>();
  for (const source of [log, postgres ?? [], redis ?? []]) {
    const ids = new Set<string>();
    for (const { id } of source) {
      if (id === null) continue;
      if (ids.has(id)) twice.add(id);
      ids.add(id);
    }
  }
  return twice;
}
