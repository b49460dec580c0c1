import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { TandemError } from '../../protocol/errors.ts';
import type { Events } from '../../protocol/events.ts';
import { eventually } from '../../test/support/eventually.ts';
import { openDomain, type Domain } from './domain-stage.conformance.ts';
import { enterSession } from './knocks.ts';
import type { SessionEvents } from './ports.ts';
import type { Knock } from './session.ts';
import { WaitingRoom, type WaitingRoomOptions } from './waiting-room.ts';

/** An instance that hears nothing of what others answer. */
const DEAF: Pick<SessionEvents, 'answerKnock' | 'onKnockAnswered'> = {
  answerKnock: () => undefined,
  onKnockAnswered: () => undefined,
};

describe('the waiting room', () => {
  let domain: Domain;
  let letIn: string[];
  beforeEach(() => {
    domain = openDomain();
    letIn = [];
  });
  afterEach(async () => {
    await domain.state.stop();
    expect(domain.faults).toEqual([]);
  });

  /** The waiting room of another instance. */
  function elsewhere(options: Partial<WaitingRoomOptions> = {}): WaitingRoom {
    const announcer = {
      admitted: () => undefined,
      letIn: (connection: { id: string }) => void letIn.push(connection.id),
    };
    return new WaitingRoom({ state: domain.state, events: DEAF, announcer, lookMs: 5, ...options });
  }

  async function knock(): Promise<{ sessionId: string; knock: Knock; wait: (room: WaitingRoom) => Promise<string> }> {
    const { session } = await domain.create('ann', null, true);
    const newcomer = { id: 'seat of bob', name: 'bob', userId: null, keyHash: null, instance: 'there' };
    const rule = enterSession(session.code ?? '', { ...newcomer, tokenHash: 'token' }, '192.0.2.x', 1);
    const result = await domain.state.change(session.id, rule);
    if (result.kind !== 'decided' || result.outcome.kind !== 'knocked') throw new Error('expected a knock');
    const { knock } = result.outcome;
    const giveUp = new AbortController();
    return {
      sessionId: session.id,
      knock,
      wait: async (room) => {
        const waited = room.wait({ connection: { id: 'bob' }, sessionId: session.id, knock, signal: giveUp.signal });
        return await waited.then(
          ({ seat }) => seat.id,
          (error: unknown) => (error instanceof TandemError ? error.code : String(error)),
        );
      },
    };
  }

  it('finds out by itself what no notification told', async () => {
    const { wait, knock: told } = await knock();
    const answer = wait(elsewhere());
    await domain.seating.answerKnock(domain.seatOf('ann'), told.newcomer.id, true);
    expect(await answer).toBe('seat of bob');
    expect(letIn).toEqual(['bob']);
    const joined = domain.told().filter(({ event }) => event === 'session:joined' || event === 'session:paired');
    expect(joined.map(({ to, event }) => [to, event])).toEqual([
      ['not seat of bob', 'session:joined'],
      ['not seat of bob', 'session:paired'],
    ]);
  });

  it('looks at once when it is told', async () => {
    const { wait, knock: told } = await knock();
    const answer = wait(elsewhere({ events: domain.clients, lookMs: 1e6 }));
    await domain.seating.answerKnock(domain.seatOf('ann'), told.newcomer.id, false);
    expect(await answer).toBe('JOIN_DENIED');
  });

  it('is left at once by the other device of a user who is kicked', async () => {
    const { session } = await domain.create('ann', null, true);
    const joinAsBob = async (id: string) =>
      await domain.seating.join(domain.callerOf(id, 'bob'), { code: session.code ?? '', name: id, key: null });
    const knocked = async () =>
      await eventually(() => {
        const { payload } = domain.told().find(({ event }) => event === 'session:knock') ?? {};
        const told = payload as Events['session:knock'] | undefined;
        return told === undefined ? Promise.reject(new Error('nobody knocks')) : Promise.resolve(told.knockId);
      });
    const first = joinAsBob('first');
    await domain.seating.answerKnock(domain.seatOf('ann'), await knocked(), true);
    const { self } = await first;
    const second = joinAsBob('second').catch((error: unknown) => error);
    const knockId = await knocked();
    const answered: string[] = [];
    domain.clients.onKnockAnswered((id) => answered.push(id) > 0);
    await domain.sessions.kick(domain.seatOf('ann'), self.participantId);
    expect(answered).toContain(knockId);
    expect(await second).toMatchObject({ code: 'FORBIDDEN' });
  });

  it('withdraws when the time is over, by its own clock too', async () => {
    const { wait, knock: told } = await knock();
    expect(await wait(elsewhere({ waitMs: 20 }))).toBe('JOIN_DENIED');
    await expect(domain.seating.answerKnock(domain.seatOf('ann'), told.newcomer.id, true)).rejects.toMatchObject({
      code: 'JOIN_DENIED',
    });
  });

  it('waits through an outage of the state, and loses no admission in it', async () => {
    const { wait, knock: told } = await knock();
    let outage = 3;
    const state: WaitingRoomOptions['state'] = {
      touch: (...args) => domain.state.touch(...args),
      change: async (...args) => {
        outage -= 1;
        if (outage >= 0) throw new TandemError('UNAVAILABLE', 'the state is away');
        return await domain.state.change(...args);
      },
    };
    await domain.seating.answerKnock(domain.seatOf('ann'), told.newcomer.id, true);
    expect(await wait(elsewhere({ state, waitMs: 1 }))).toBe('seat of bob');
    expect(outage).toBeLessThan(0);
  });

  it('asks to repeat the join when the state has forgotten the knock', async () => {
    const { wait, sessionId } = await knock();
    const answer = wait(elsewhere());
    await domain.state.change(sessionId, (session) => {
      const document = { ...session };
      delete document.knocks;
      return { kind: 'change', document, outcome: null, lasting: false, ended: [] };
    });
    expect(await answer).toBe('UNAVAILABLE');
  });

  it('leaves the knock of a joiner that moves for its next connection', async () => {
    const { sessionId, knock: told } = await knock();
    const giveUp = new AbortController();
    const wait = { connection: { id: 'bob' }, sessionId, knock: told, signal: giveUp.signal };
    const waited = elsewhere().wait(wait);
    giveUp.abort('moving');
    await expect(waited).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await domain.seating.answerKnock(domain.seatOf('ann'), told.newcomer.id, true);
  });
});
