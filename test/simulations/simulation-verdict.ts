import type { Message } from '../../protocol/session.ts';
import type { StoredSession } from '../../server/sessions/ports.ts';
import type { Recorder } from '../../server/state/memory/recorder.conformance.ts';
import { check } from '../faults/checker.ts';
import { EXPECTED } from '../faults/evidence.ts';
import type { SessionEvidence, Standing } from '../faults/evidence.ts';
import { SERVER } from '../faults/system-checks.ts';
import type { Invariant } from '../faults/verdict.ts';
import type { Board } from './board.ts';
import type { SimulatedClient } from './simulated-client.ts';
import type { SimulatedServer } from './simulated-server.ts';
import type { Tenancy } from './tenancy.ts';

/** What this kind of run can say something of: answers have no time here, and nobody has a limit. */
const EXAMINED: readonly Invariant[] = ['I1', 'I2', 'I3', 'I4', 'I8', 'I10'];

/** Everything that is left when all is quiet. */
export interface Remains {
  readonly clients: readonly SimulatedClient[];
  readonly server: SimulatedServer;
  readonly recorder: Recorder;
  readonly board: Board;
  readonly now: number;
  /** Does what the database is asked for meanwhile. */
  readonly reading: <T>(read: () => Promise<T>) => Promise<T>;
}

export interface SimulationVerdict {
  readonly findings: readonly string[];
  readonly broken: readonly Invariant[];
  readonly acknowledged: number;
}

export async function judge(remains: Remains): Promise<SimulationVerdict> {
  const { clients, recorder, board, now } = remains;
  const sessions: SessionEvidence[] = [];
  const stored = new Map<string, StoredSession>();
  for (const sessionId of board.seats.keys()) {
    const row = await recorder.loadSession(sessionId, now);
    if (row === null) continue;
    stored.set(sessionId, row);
    sessions.push(await evidenceOf(remains, sessionId, row));
  }
  const complaints = [
    ...recorder.divergences.map(String),
    ...clients.flatMap((client) => client.complaints),
    ...board.judge((sessionId) => {
      const document = stored.get(sessionId)?.document;
      if (document === undefined) return null;
      const seats = document.seats.map(({ id }) => id);
      return { locked: document.locked, isClosed: document.closed !== null, seats };
    }),
    ...doubleKeys([...stored.values()]),
    ...(await miscounted(remains)),
  ];
  const verdict = check({ startedAt: 0, sessions, processes: [], expected: EXPECTED });
  const broken = verdict.broken.filter((invariant) => EXAMINED.includes(invariant));
  const violations = broken.flatMap((invariant) =>
    verdict.violations(invariant).map((violation) => `${invariant}: ${violation}`),
  );
  return { findings: [...violations, ...complaints], broken, acknowledged: verdict.fates.ok };
}

/** Every seat that the client had, the present one last. */
export function tenanciesOf({ past, tenancy }: SimulatedClient): Tenancy[] {
  return tenancy === null ? past : [...past, tenancy];
}

async function evidenceOf(remains: Remains, sessionId: string, row: StoredSession): Promise<SessionEvidence> {
  const { clients, server, recorder, reading } = remains;
  const log = await reading(() => server.log(sessionId));
  const snapshot = await reading(() => server.state.read(sessionId));
  const own = clients.flatMap(tenanciesOf).filter(({ record }) => record.sessionId === sessionId);
  const standings = new Map<string, Partial<Standing> | null>([
    [SERVER, snapshot === null ? null : standingOf(snapshot, snapshot.durableSeq)],
    ['the database', standingOf(row, null)],
  ]);
  const histories = new Map<string, readonly Message[]>();
  for (const { link, tenancy } of clients) {
    if (link === null || tenancy?.record.sessionId !== sessionId) continue;
    const { client, joinedSeq } = tenancy.record;
    standings.set(client, { epoch: tenancy.epoch });
    histories.set(client, await reading(() => server.history(link, joinedSeq)));
  }
  return {
    sessionId,
    epoch: snapshot?.document.epoch ?? 0,
    lastSeq: snapshot?.lastSeq ?? 0,
    durableSeq: snapshot?.durableSeq ?? 0,
    log,
    records: own.map(({ record }) => record),
    histories,
    redis: null,
    postgres: await recorder.readMessages(sessionId, { afterSeq: 0, limit: 10_000 }),
    standings,
  };
}

function standingOf(
  { document, lastSeq }: Pick<StoredSession, 'document' | 'lastSeq'>,
  durableSeq: number | null,
): Standing {
  return { epoch: document.epoch, lastSeq, durableSeq, seats: document.seats.map(({ id }) => id).sort() };
}

/** What the server counts as it changes, against all open sessions one by one. */
async function miscounted({ server, recorder, now, reading }: Remains): Promise<string[]> {
  const walked = { sessions: { waiting: 0, paired: 0 }, participants: { online: 0, away: 0 } };
  for (const { document } of await recorder.loadSessions(now)) {
    const session = (await reading(() => server.state.read(document.id)))?.document;
    if (session === undefined || session.closed !== null) continue;
    walked.sessions[session.seats.length < 2 ? 'waiting' : 'paired'] += 1;
    for (const { presence } of session.seats) walked.participants[presence] += 1;
  }
  const { sessions, participants } = server.state.counts();
  const [found, counted] = [JSON.stringify(walked), JSON.stringify({ sessions, participants })];
  return found === counted ? [] : [`there are ${found}, and counted are ${counted}`];
}

/** One key gives one seat: of two that live, one is from a repetition that was not recognised. */
function doubleKeys(stored: readonly StoredSession[]): string[] {
  const hashes = stored.flatMap((row) =>
    row.document.closed !== null
      ? []
      : row.document.seats.flatMap(({ key, id }) => (key === null ? [] : [{ hash: key.hash, id }])),
  );
  const seen = new Set<string>();
  return hashes.flatMap(({ hash, id }) => {
    if (!seen.has(hash)) {
      seen.add(hash);
      return [];
    }
    return [`${id} is a second seat of one key`];
  });
}
