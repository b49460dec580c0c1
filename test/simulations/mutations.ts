/** Rules that are broken on purpose: a simulation that does not find them says nothing by finding nothing. */
import type { Rule } from '../../server/sessions/session.ts';
import type { SessionState } from '../../server/sessions/ports.ts';
import type { Invariant } from '../faults/verdict.ts';
import type { Mutation } from './mutation.ts';

export interface Mutant {
  readonly name: string;
  /** Under which it has to be reported; null where it is one of the further rules. */
  readonly invariant: Invariant | null;
  readonly mutation: Mutation;
}

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'the store answers before it has stored',
    invariant: 'I1',
    mutation: {
      durable: (durable) => ({
        ...durable,
        commit: (batch) => {
          durable.commit(batch).catch(() => undefined); // Nobody hears of it: that is the fault.
          return Promise.resolve();
        },
      }),
    },
  },
  {
    name: 'what was sent before a crash is not recognised after it',
    invariant: 'I2',
    mutation: {
      durable: (durable) => ({
        ...durable,
        recentSends: () => Promise.resolve([]),
        findSend: () => Promise.resolve(null),
      }),
    },
  },
  {
    name: 'a session is read again while a commit that was given up is under way',
    invariant: null,
    mutation: { durable: (durable) => ({ ...durable, raiseEpoch: () => Promise.resolve(null) }) },
  },
  {
    name: 'a refused append is stored all the same',
    invariant: 'I2',
    mutation: {
      state: (state) =>
        withState(state, {
          append: async (request) => {
            const result = await state.append(request);
            const isThird = result.kind === 'appended' && result.seq % 3 === 0;
            return isThird ? { kind: 'session_closed' } : result;
          },
        }),
    },
  },
  {
    name: 'the log is read from the end of a page',
    invariant: 'I3',
    mutation: {
      durable: (durable) => ({
        ...durable,
        readMessages: async (sessionId, range) => {
          const messages = await durable.readMessages(sessionId, range);
          const [first, second, ...rest] = messages;
          if (first === undefined || second === undefined) return messages;
          return [{ ...first, seq: second.seq }, { ...second, seq: first.seq }, ...rest];
        },
      }),
    },
  },
  {
    name: 'a resume leaves one message out, and says that there is a gap',
    invariant: 'I4',
    mutation: {
      state: (state) =>
        withState(state, {
          readLog: async (sessionId, range) => {
            const page = await state.readLog(sessionId, range);
            if (page === null || !('afterSeq' in range) || page.messages.length < 2) return page;
            return { ...page, messages: page.messages.slice(1), messageBytes: page.messageBytes.slice(1) };
          },
        }),
    },
  },
  {
    name: 'another body is stored than was said',
    invariant: 'I8',
    mutation: {
      durable: (durable) => ({
        ...durable,
        commit: (batch) =>
          durable.commit({
            ...batch,
            messages: batch.messages.map((message) =>
              message.seq % 3 === 0 ? { ...message, bodyJson: '0' } : message,
            ),
          }),
      }),
    },
  },
  {
    name: 'the head is told before the message is stored',
    invariant: 'I10',
    mutation: {
      state: (state) =>
        withState(state, {
          read: async (sessionId) => {
            const snapshot = await state.read(sessionId);
            return snapshot === null ? null : { ...snapshot, lastSeq: snapshot.lastSeq + 1 };
          },
        }),
    },
  },
  {
    name: 'what a kick decides is not stored',
    invariant: null,
    mutation: {
      state: (state) =>
        withState(state, {
          change: (sessionId, rule, onVisible) => state.change(sessionId, passingKick(rule), onVisible),
        }),
    },
  },
];

/** The same state, but for what is given. */
function withState(state: SessionState, own: Partial<SessionState>): SessionState {
  return new Proxy(state, {
    get(target, name) {
      const value: unknown = Reflect.get(name in own ? own : target, name);
      // Methods of the state rely on its private fields.
      return typeof value === 'function' && !(name in own) ? (value.bind(target) as unknown) : value;
    },
  });
}

function passingKick<O>(rule: Rule<O>): Rule<O> {
  return (session, context) => {
    const decision = rule(session, context);
    const isKick = decision.kind === 'change' && decision.ended.some(({ reason }) => reason === 'kicked');
    return isKick ? { ...decision, lasting: false } : decision;
  };
}
