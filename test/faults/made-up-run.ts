import type { Message } from '../../protocol/session.ts';
import { EXPECTED } from './evidence.ts';
import type { Evidence, Expectations, ProcessEvidence, SessionEvidence, Standing } from './evidence.ts';
import type { ClientRecord, Entry } from './record.ts';
import { SERVER } from './system-checks.ts';

/** A run of two clients in which nothing went wrong: `one` talks as a stock client, `two` listens with the library. */
const HOST = 'seat-one';
const SENT = ['one-1', 'one-2', 'one-3'];

export function message(seq: number, id = `one-${seq}`, own: Partial<Message> = {}): Message {
  const sentAt = new Date(1_769_860_800_000 + seq * 1_000).toISOString();
  return { id, seq, sessionId: 's', from: HOST, type: 'text', body: id, sentAt, ...own };
}

export function invoke(id: string, at: number, attempt = 1): Entry {
  return { kind: 'invoke', at, id, attempt };
}

export function ok(id: string, seq: number, at: number, own: { attempt?: number; epoch?: number } = {}): Entry {
  const { attempt = 1, epoch = 1 } = own;
  return { kind: 'ok', at, id, attempt, seq, epoch, duplicate: attempt > 1 };
}

export function unknown(id: string, at: number, attempt = 1): Entry {
  return { kind: 'unknown', at, id, attempt, why: 'disconnected' };
}

export function seen(seq: number, at: number, of: Message = message(seq), way: 'live' | 'handed' = 'handed'): Entry {
  return { kind: 'seen', at, way, message: of };
}

export const ANSWERED: Entry[] = SENT.flatMap((id, index) => [
  invoke(id, 1_000 * (index + 1)),
  ok(id, index + 1, 1_000 * (index + 1) + 10),
]);
export const HEARD: Entry[] = [seen(1, 1_020), seen(2, 2_020), seen(3, 3_020)];

/** What all say of the session, but for what `own` makes of the word of one of them. */
export function standings(own: Readonly<Record<string, Partial<Standing> | null>> = {}): SessionEvidence['standings'] {
  const seats = [HOST, 'seat-two'];
  return new Map<string, Partial<Standing> | null>([
    [SERVER, { epoch: 1, lastSeq: 3, durableSeq: 3, seats }],
    ['one', { epoch: 1 }],
    ['Redis', { epoch: 1, lastSeq: 3, durableSeq: 3, seats }],
    ['Postgres', { epoch: 1, lastSeq: 3, durableSeq: null, seats }],
    ...Object.entries(own),
  ]);
}

export interface Run {
  one?: Entry[];
  two?: Entry[];
  bodies?: [string, string][];
  twoIs?: ClientRecord['kind'];
  session?: Partial<SessionEvidence>;
  process?: Partial<ProcessEvidence>;
  expected?: Partial<Expectations>;
}

export function evidenceOf({
  one = ANSWERED,
  two = HEARD,
  bodies,
  twoIs = 'library',
  session,
  process,
  expected,
}: Run): Evidence {
  const log = session?.log ?? SENT.map((id, index) => message(index + 1, id));
  const records: ClientRecord[] = [
    {
      client: 'one',
      kind: 'stock',
      sessionId: 's',
      participantId: HOST,
      joinedSeq: 0,
      entries: one,
      bodies: new Map(bodies ?? SENT.map((id) => [id, id])),
    },
    {
      client: 'two',
      kind: twoIs,
      sessionId: 's',
      participantId: 'seat-two',
      joinedSeq: 0,
      entries: two,
      bodies: new Map(),
    },
  ];
  const lastSeq = log.at(-1)?.seq ?? 0;
  return {
    startedAt: 0,
    sessions: [
      {
        sessionId: 's',
        epoch: 1,
        lastSeq,
        durableSeq: lastSeq,
        log,
        records,
        histories: new Map([
          ['one', log],
          ['two', log],
        ]),
        redis: log.map(({ seq, id }) => ({ seq, id })),
        postgres: log,
        standings: session === undefined ? standings() : new Map(),
        ...session,
      },
    ],
    processes: [{ name: 'server-1', exits: [], rssBytes: [100e6, 120e6], loopLagMs: [3, 20], ...process }],
    expected: { ...EXPECTED, ...expected },
  };
}
