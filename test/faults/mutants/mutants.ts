import type { Scenario } from '../scenario.ts';
import type { Invariant } from '../verdict.ts';
import type { Replacement } from './mutated-build.ts';
import { emptied, kicked, limited, longTalk, lostAnswers, talk } from './short-scenarios.ts';

/** A server with one thing wrong, and what the checker has to say of it. */
export interface Mutant extends Replacement {
  readonly name: string;
  readonly invariant: Invariant;
  readonly scenario: Scenario;
}

const APPEND = 'server/state/redis/scripts/append_message.lua';
const SEND = 'return sentOf(await this.#options.state.append(request));';

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'a message in ten is acknowledged and not written to the log',
    invariant: 'I1',
    scenario: talk,
    file: APPEND,
    find: "redis.call('XADD', partition .. ':l:' .. session",
    replace:
      "local write = seq % 10 == 0 and function() end or redis.call\n  write('XADD', partition .. ':l:' .. session",
  },
  {
    name: 'a repetition is not recognised',
    invariant: 'I2',
    scenario: lostAnswers,
    file: APPEND,
    find: 'if known then',
    replace: 'if false then',
  },
  {
    name: 'a number in ten is left out',
    invariant: 'I3',
    scenario: talk,
    file: APPEND,
    find: 'seq = seq + 1\n',
    replace: 'seq = seq + (seq % 10 == 9 and 2 or 1)\n',
  },
  {
    name: 'a loss is not told to those who come back',
    invariant: 'I4',
    scenario: emptied,
    file: 'server/sessions/seating.js',
    find: "metrics.resume(missed.reset ? 'reset' : 'resumed');",
    replace: 'missed.reset = false;',
  },
  {
    name: 'a process ends with its fiftieth message',
    invariant: 'I5',
    scenario: talk,
    file: 'server/sessions/message-service.js',
    find: SEND,
    replace: `globalThis.sends = (globalThis.sends ?? 0) + 1; if (globalThis.sends === 50) process.exit(7); ${SEND}`,
  },
  {
    name: 'each message leaves 8 MiB behind',
    invariant: 'I5',
    scenario: longTalk,
    file: 'server/sessions/message-service.js',
    find: SEND,
    replace: `(globalThis.kept ??= []).push(Buffer.alloc(2 ** 23, 1)); ${SEND}`,
  },
  {
    name: 'a command in forty is not answered',
    invariant: 'I6',
    scenario: talk,
    file: 'server/realtime/dispatch.js',
    find: 'answer({ ok: true, ...result });',
    replace: 'if ((globalThis.answers = (globalThis.answers ?? 0) + 1) % 40 !== 0) answer({ ok: true, ...result });',
  },
  {
    name: 'who is kicked keeps the connection',
    invariant: 'I7',
    scenario: kicked,
    file: 'server/sessions/announcer.js',
    find: "events.closeSeat(id, participantId, 'kicked');",
    replace: '',
  },
  {
    name: 'the archive gets another text than the log',
    invariant: 'I8',
    scenario: talk,
    file: 'server/jobs/archiver-batch.js',
    find: 'messages: sessions.flatMap(({ messages }) => messages),',
    replace: "messages: sessions.flatMap(({ messages }) => messages.map((one) => ({ ...one, bodyJson: '0' }))),",
  },
  {
    name: 'no limit refuses a message',
    invariant: 'I9',
    scenario: limited,
    file: APPEND,
    find: 'if limited > 0 then return',
    replace: 'if false then return',
  },
  {
    name: 'guests read their history from three messages later on',
    invariant: 'I10',
    scenario: talk,
    file: 'server/sessions/message-service.js',
    find: 'const floorSeq = snapshot.document.shareHistory ? 0 : own.joinedSeq;',
    replace: "const floorSeq = own.joinedSeq + (own.role === 'guest' ? 3 : 0);",
  },
];
