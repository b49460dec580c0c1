import { isSame } from './client-view.ts';
import type { Evidence, Expectations, ProcessEvidence, SessionEvidence } from './evidence.ts';
import type { Verdict } from './verdict.ts';

/** Under which name the server's own word stands among the standings. */
export const SERVER = 'the server';

/** I5: processes end when they are told to, and stay within bounds until then. */
export function checkProcesses({ processes, expected, startedAt }: Omit<Evidence, 'sessions'>, verdict: Verdict): void {
  for (const process of processes) {
    verdict.examine('I5', true, () => '');
    for (const { at, code, isPlanned } of process.exits) {
      const when = ((at - startedAt) / 1000).toFixed(3);
      verdict.examine(
        'I5',
        isPlanned,
        () => `${process.name} ended by itself at +${when} s with exit code ${String(code)}`,
      );
    }
    checkBounds(process, expected, verdict);
  }
}

function checkBounds({ name, rssBytes, loopLagMs }: ProcessEvidence, expected: Expectations, verdict: Verdict): void {
  const [first] = rssBytes;
  if (first !== undefined) {
    const growth = Math.max(...rssBytes) - first;
    const text = `${Math.round(growth / 2 ** 20)} MiB, beyond ${Math.round(expected.maxRssGrowthBytes / 2 ** 20)} MiB`;
    verdict.examine('I5', growth <= expected.maxRssGrowthBytes, () => `${name} grew by ${text}`);
  }
  for (const lag of loopLagMs) {
    verdict.examine(
      'I5',
      lag <= expected.maxLoopLagMs,
      () => `the event loop of ${name} stood still for ${Math.round(lag)} ms`,
    );
  }
}

/** I8: Postgres has the log, all of it and nothing else, and clients are told so. */
export function checkArchived(
  { sessionId, log, lastSeq, durableSeq, postgres }: SessionEvidence,
  verdict: Verdict,
): void {
  if (postgres === null) return;
  const rows = new Map(postgres.map((message) => [message.seq, message]));
  for (const message of log) {
    const row = rows.get(message.seq);
    verdict.examine(
      'I8',
      row !== undefined && isSame(row, message),
      () => `${sessionId}: number ${message.seq} is ${message.id} in the log, and ${describe(row)} in Postgres`,
    );
    rows.delete(message.seq);
  }
  for (const [seq, { id }] of rows) {
    verdict.examine('I8', false, () => `${sessionId}: Postgres has ${id} as number ${seq}, and the log does not`);
  }
  verdict.examine('I8', durableSeq === lastSeq, () => `${sessionId}: durableSeq is ${durableSeq}, the head ${lastSeq}`);
}

/** I9: in no window of the limit's duration are more messages of one sender accepted than its points and one burst. */
export function checkLimits({ sessionId, log }: SessionEvidence, { limit }: Expectations, verdict: Verdict): void {
  if (limit === null) return;
  const timesBySender = new Map<string, number[]>();
  for (const { from, sentAt } of log) {
    const times = timesBySender.get(from) ?? [];
    times.push(Date.parse(sentAt));
    timesBySender.set(from, times);
  }
  const most = limit.points + limit.burst;
  for (const [from, times] of timesBySender) {
    times.sort((a, b) => a - b);
    const excess = times.findIndex((time, index) => time - (times[index - most] ?? -Infinity) < limit.durationMs);
    verdict.examine(
      'I9',
      excess === -1,
      () =>
        `${sessionId}: ${from} was given more than ${most} messages in ${limit.durationMs} ms, number ${excess + 1} of its own`,
    );
  }
}

/** I10: whoever is asked, and whatever is read, tells the same log. */
export function checkAgreement(session: SessionEvidence, verdict: Verdict): void {
  const { sessionId, log, lastSeq, records, histories, redis } = session;
  verdict.examine(
    'I10',
    (log.at(-1)?.seq ?? 0) === lastSeq,
    () => `${sessionId}: the head is ${lastSeq}, and the log ends with ${log.at(-1)?.seq ?? 0}`,
  );
  for (const [client, history] of histories) {
    const start = records.find((record) => record.client === client)?.joinedSeq ?? 0;
    const isTail =
      start + history.length === log.length && history.every((message, index) => isSameAt(log[start + index], message));
    verdict.examine(
      'I10',
      isTail,
      () => `${sessionId}: ${client} reads another history: ${firstDifference(log, history)}`,
    );
  }
  checkStandings(session, verdict);
  if (redis === null) return;
  const bySeq = new Map(log.map(({ seq, id }) => [seq, id]));
  for (const [index, { seq, id }] of redis.entries()) {
    const due = lastSeq - redis.length + 1 + index;
    verdict.examine('I10', seq === due, () => `${sessionId}: Redis has number ${seq} where ${due} is due`);
    verdict.examine(
      'I10',
      id === null || bySeq.get(seq) === id,
      () => `${sessionId}: number ${seq} is ${String(id)} in Redis, and ${String(bySeq.get(seq))} in the log`,
    );
  }
}

/** Epoch, head and seats: whoever says something of them says the same as the server. */
function checkStandings({ sessionId, epoch, lastSeq, durableSeq, standings }: SessionEvidence, verdict: Verdict): void {
  const told = { epoch, lastSeq, durableSeq, seats: standings.get(SERVER)?.seats ?? null };
  for (const [name, standing] of standings) {
    verdict.examine('I10', standing !== null, () => `${sessionId}: ${name} does not have the session`);
    for (const field of ['epoch', 'lastSeq', 'durableSeq', 'seats'] as const) {
      const said = standing?.[field] ?? null;
      const due = told[field];
      if (said === null || due === null) continue;
      verdict.examine(
        'I10',
        String(said) === String(due),
        () => `${sessionId}: ${field} is ${String(said)} for ${name}, and ${String(due)} for the server`,
      );
    }
  }
}

function isSameAt(stored: SessionEvidence['log'][number] | undefined, read: SessionEvidence['log'][number]): boolean {
  return stored !== undefined && isSame(stored, read);
}

function firstDifference(log: SessionEvidence['log'], history: SessionEvidence['log']): string {
  const bySeq = new Map(log.map((message) => [message.seq, message]));
  const other = history.find((message) => !isSameAt(bySeq.get(message.seq), message));
  if (other === undefined) return `${history.length} messages of ${log.length}`;
  return `number ${other.seq} is ${other.id}, and ${describe(bySeq.get(other.seq))} in the log`;
}

function describe(message: { id: string; body: unknown } | undefined): string {
  return message === undefined ? 'missing' : `${message.id} ${JSON.stringify(message.body)}`;
}
