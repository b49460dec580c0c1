import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { dropConnection, GENERATIONS_OF_EPOCH } from './session.ts';
import { openDomain, TIMINGS, type Domain } from './domain-stage.conformance.ts';

describe('the session service', () => {
  let domain: Domain;
  beforeEach(() => {
    domain = openDomain();
  });
  afterEach(async () => {
    await domain.state.stop();
    const expected = /the connection was lost|the disk is full/;
    expect(domain.faults.filter((fault) => !expected.test(String(fault)))).toEqual([]);
  });

  async function pair(): Promise<{ sessionId: string; hostId: string; guestId: string }> {
    const { session, self: host } = await domain.create('ann');
    const { self: guest } = await domain.join('bob', session.code);
    domain.told();
    return { sessionId: session.id, hostId: host.participantId, guestId: guest.participantId };
  }

  /** The change is stored, its answer is lost, and the session is read again. */
  async function lost(sessionId: string, call: () => Promise<unknown>): Promise<void> {
    domain.recorder.failNext('unknown_stored');
    await expect(call()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(domain.told()).toEqual([]);
    await domain.state.read(sessionId);
  }

  describe('of what was stored although its answer was lost', () => {
    it('carries out a kick', async () => {
      const { sessionId, guestId } = await pair();
      await lost(sessionId, () => domain.sessions.kick(domain.seatOf('ann'), guestId));
      expect(domain.told()).toMatchObject([
        { to: guestId, event: 'closeSeat', payload: 'kicked' },
        { to: 'all', event: 'session:left', payload: { participantId: guestId, reason: 'kicked' } },
        { to: 'all', event: 'session:updated', payload: { session: { code: null } } },
      ]);
    });

    it('carries out a leave, and says who the host is now', async () => {
      const { sessionId, hostId, guestId } = await pair();
      await lost(sessionId, () => domain.sessions.leave(domain.seatOf('ann')));
      const session = { status: 'waiting', participants: [{ id: guestId, role: 'host', presence: 'online' }] };
      expect(domain.told()).toMatchObject([
        { to: hostId, event: 'detach' },
        { to: 'all', event: 'session:left', payload: { participantId: hostId, reason: 'left', session } },
        { to: 'all', event: 'session:updated', payload: { session } },
      ]);
      await expect(domain.sessions.get(domain.seatOf('bob'))).resolves.toMatchObject({ self: { role: 'host' } });
    });

    it('says that the session is closed, after the messages that were stored with the close', async () => {
      const { sessionId } = await pair();
      const input = { id: 'message-1', type: 'text', body: 1, bodyJson: '1' };
      domain.recorder.failNext('unknown_stored');
      const [ann, bob] = [domain.seatOf('ann'), domain.seatOf('bob')];
      const calls = [domain.messages.send(bob, input, []), domain.sessions.close(ann)];
      for (const { status } of await Promise.allSettled(calls)) expect(status).toBe('rejected');
      await domain.state.read(sessionId);
      expect(domain.told()).toMatchObject([
        { to: 'all', event: 'message:new', payload: { message: { id: 'message-1', seq: 1 } } },
        { to: 'all', event: 'session:closed', payload: { sessionId, reason: 'closed' } },
      ]);
    });

    it('tells of a join, with a seat that is away until its participant repeats it', async () => {
      const { session } = await domain.create('ann');
      domain.told();
      await lost(session.id, () => domain.join('bob', session.code, 'a key of the guest'));
      const told = domain.told();
      expect(told).toMatchObject([
        { event: 'session:joined', payload: { participant: { name: 'bob', presence: 'away' } } },
        { to: 'all', event: 'session:paired', payload: { session: { status: 'paired' } } },
      ]);
      const { self } = await domain.join('bob', session.code, 'a key of the guest');
      const presence = { participantId: self.participantId, presence: 'online' };
      expect(domain.told()).toMatchObject([{ event: 'session:presence', payload: presence }]);
      expect(domain.pairSeconds).toEqual([0]);
    });

    it('tells of a lock and of a fresh code', async () => {
      const { sessionId } = await pair();
      await lost(sessionId, () => domain.sessions.lock(domain.seatOf('ann'), true));
      expect(domain.told()).toMatchObject([
        { to: 'all', event: 'session:updated', payload: { session: { locked: true } } },
      ]);
      await domain.sessions.lock(domain.seatOf('ann'), false);
      domain.told();
      await lost(sessionId, () => domain.sessions.reopen(domain.seatOf('ann')));
      expect(domain.told()).toMatchObject([{ to: 'all', event: 'session:updated' }]);
    });

    it('says nothing when nothing was stored', async () => {
      const { sessionId, guestId } = await pair();
      for (const failure of ['refused', 'unknown_lost'] as const) {
        domain.recorder.failNext(failure);
        const kicked = domain.sessions.kick(domain.seatOf('ann'), guestId);
        await expect(kicked).rejects.toMatchObject({ code: 'UNAVAILABLE' });
        await domain.state.read(sessionId);
        expect(domain.told()).toEqual([]);
      }
    });
  });

  it('marks a seat away whose connection was lost while the database was, once it is back', async () => {
    const { sessionId, guestId } = await pair();
    domain.recorder.failNext('unknown_lost');
    const sent = domain.messages.send(
      domain.seatOf('ann'),
      { id: 'message-1', type: 'text', body: 1, bodyJson: '1' },
      [],
    );
    await expect(sent).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    domain.recorder.failLoads = true;
    const lostConnection = domain.sessions.connectionLost(domain.seatOf('bob'), () => false);
    await expect(domain.state.read(sessionId)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    domain.recorder.failLoads = false;
    await lostConnection;
    const presence = { participantId: guestId, presence: 'away' };
    expect(domain.told()).toMatchObject([{ event: 'session:presence', payload: presence }]);
  });

  it('says of an unjoined session when its code ends, and of nothing that it will close when that is due', async () => {
    const { session } = await domain.create('ann');
    const meetAll = async () => {
      for (const due of await domain.state.takeDue(10)) await domain.sessions.meetDeadline(due);
      return domain.told().map(({ event, payload }) => [event, payload]);
    };
    domain.advance(TIMINGS.idleWarningMs);
    const closesAt = session.codeExpiresAt;
    expect(await meetAll()).toEqual([['session:idle', { closesAt }]]);
    const late = await domain.create('bob');
    domain.advance(TIMINGS.idleTimeoutMs);
    expect(await meetAll()).toEqual(
      [session.id, late.session.id].map((sessionId) => ['session:closed', { sessionId, reason: 'expired' }]),
    );
  });

  it('takes a leave for activity', async () => {
    await pair();
    domain.advance(TIMINGS.idleWarningMs - 1);
    await domain.sessions.leave(domain.seatOf('bob'));
    domain.advance(1);
    expect(await domain.state.takeDue(10)).toEqual([]);
    domain.advance(TIMINGS.idleWarningMs - 1);
    expect(await domain.state.takeDue(10)).toMatchObject([{ deadline: { kind: 'warn' } }]);
  });

  it('notes the activity of a seat, and of one that is gone nothing', async () => {
    const { sessionId } = await pair();
    const lastActivityAt = async () => (await domain.state.read(sessionId))?.lastActivityAt;
    domain.advance(1000);
    await domain.sessions.noteActivity(domain.seatOf('ann'));
    expect(await lastActivityAt()).toBe(domain.now());
    domain.advance(1000);
    await domain.sessions.noteActivity({ ...domain.seatOf('ann'), generation: 9 });
    expect(await lastActivityAt()).toBe(domain.now() - 1000);
  });

  it('takes a create and a join that are repeated for activity', async () => {
    const key = 'a key of the host';
    const { session } = await domain.create('ann', key);
    await domain.join('bob', session.code, 'a key of the guest');
    for (const repeat of [
      () => domain.create('ann 2', key),
      () => domain.join('bob 2', session.code, 'a key of the guest'),
    ]) {
      domain.advance(TIMINGS.idleWarningMs - 1);
      await repeat();
      domain.advance(1);
      expect(await domain.state.takeDue(10)).toEqual([]);
    }
  });

  it('lets a reader of a closed session turn away from it, also when it was read back since', async () => {
    const { sessionId } = await pair();
    await domain.sessions.close(domain.seatOf('ann'));
    await domain.sessions.leave({ ...domain.seatOf('bob'), generation: 7 });
    await expect(domain.sessions.leave({ sessionId, seatId: 'nobody', generation: 1 })).rejects.toMatchObject({
      code: 'NOT_IN_SESSION',
    });
  });

  it('measures the time to the first pairing alone', async () => {
    const { session } = await domain.create('ann');
    domain.advance(3000);
    await domain.join('bob', session.code);
    await domain.sessions.leave(domain.seatOf('bob'));
    domain.advance(60_000);
    await domain.join('cem', session.code);
    expect(domain.told().filter(({ event }) => event === 'session:paired')).toHaveLength(2);
    expect(domain.pairSeconds).toEqual([3]);
  });

  describe('the timeline', () => {
    function told(): unknown[] {
      const events = domain.timeline.take(100);
      domain.timeline.settle(events);
      return events.map(({ kind, participantId, reason, at }) => [kind, participantId, reason, at - domain.now()]);
    }

    function resume(sessionId: string, { participantId, resumeToken }: { participantId: string; resumeToken: string }) {
      const seat = { sessionId, participantId, resumeToken };
      return (epoch: number) =>
        domain.seating.resume({ id: 'ann' }, null, { ...seat, epoch, lastSeq: 0, lastId: null, durableSeq: 0 });
    }

    it('has a lost connection once, a resume, and a reset', async () => {
      const { session, self } = await domain.create('ann');
      await domain.join('bob', session.code);
      expect(told()).toEqual([]);
      const lostConnection = domain.seatOf('ann');
      await domain.sessions.connectionLost(lostConnection, () => false);
      await domain.sessions.connectionLost(lostConnection, () => false);
      domain.advance(5);
      expect(told()).toEqual([['away', self.participantId, null, -5]]);
      const again = resume(session.id, self);
      await again(1);
      await again(2);
      // It has nothing to do with the connection that holds the seat.
      await domain.sessions.connectionLost(lostConnection, () => false);
      await expect(resume(session.id, { ...self, resumeToken: 'none' })(1)).rejects.toThrow();
      expect(told()).toEqual([
        ['resumed', self.participantId, null, 0],
        ['resumed', self.participantId, 'reset', 0],
      ]);
      await domain.sessions.close(domain.seatOf('ann'));
      // To read it.
      await again(1);
      expect(told()).toEqual([]);
    });

    it('has who was held by an instance that died, and who is back with it', async () => {
      const { sessionId, hostId, guestId } = await pair();
      await domain.sessions.instanceLost(sessionId, 'elsewhere');
      expect(told()).toEqual([]);
      await domain.sessions.instanceLost(sessionId, 'here');
      expect(told()).toEqual([hostId, guestId].map((id) => ['away', id, null, 0]));
      const snapshot = await domain.state.read(sessionId);
      if (snapshot === null) throw new Error('It is open');
      await domain.sessions.changedElsewhere(snapshot, false);
      expect(told()).toEqual([hostId, guestId].map((id) => ['resumed', id, null, 0]));
    });

    it('has who comes back by the key of the join', async () => {
      const { session } = await domain.create('ann');
      const { self } = await domain.join('bob', session.code, 'a-key-of-bob-000');
      await domain.join('bob again', session.code, 'a-key-of-bob-000');
      expect(told()).toEqual([]);
      await domain.sessions.connectionLost(domain.seatOf('bob again'), () => false);
      await domain.join('bob at last', session.code, 'a-key-of-bob-000');
      expect(told()).toEqual([
        ['away', self.participantId, null, 0],
        ['resumed', self.participantId, null, 0],
      ]);
    });
  });

  describe('a resume', () => {
    async function resuming(meanwhile: () => Promise<unknown>) {
      const { session, self } = await domain.create('ann');
      await domain.join('bob', session.code);
      await domain.state.change(session.id, dropConnection(domain.seatOf('ann')));
      const input = { sessionId: session.id, participantId: self.participantId, resumeToken: self.resumeToken };
      const position = { epoch: 1, lastSeq: 0, lastId: null, durableSeq: 0 };
      const readLog = domain.state.readLog.bind(domain.state);
      domain.state.readLog = async (...args) => {
        domain.state.readLog = readLog;
        await meanwhile();
        return readLog(...args);
      };
      return domain.seating.resume({ id: 'ann again' }, null, { ...input, ...position });
    }

    it('is rejected when the seat went to a later connection while it was read', async () => {
      const resumed = resuming(async () => {
        const { sessionId, ...holder } = domain.seatOf('ann again');
        await domain.state.change(sessionId, dropConnection(holder));
        await domain.state.change(sessionId, (session) => ({
          kind: 'change',
          document: { ...session, seats: session.seats.map((seat) => ({ ...seat, generation: seat.generation + 1 })) },
          outcome: null,
          lasting: false,
          ended: [],
        }));
      });
      await expect(resumed).rejects.toMatchObject({ code: 'RESUME_REJECTED' });
      expect(domain.resumes).toEqual(['rejected']);
    });

    it('may be tried again when the session was put back from the archive while it was read', async () => {
      const resumed = resuming(() =>
        domain.state.change(domain.seatOf('ann again').sessionId, (session) => ({
          kind: 'change',
          document: {
            ...session,
            epoch: session.epoch + 1,
            seats: session.seats.map((seat) => ({ ...seat, presence: 'away', generation: 2 * GENERATIONS_OF_EPOCH })),
          },
          outcome: null,
          lasting: false,
          ended: [],
        })),
      );
      await expect(resumed).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      expect(domain.resumes).toEqual([]);
      expect(domain.told().filter(({ event }) => event === 'replaceSeat')).toEqual([]);
    });

    it('tells the role that the seat has when the answer goes out', async () => {
      const resumed = await resuming(() =>
        domain.state.change(domain.seatOf('ann again').sessionId, (session) => ({
          kind: 'change',
          document: { ...session, seats: session.seats.map((seat) => ({ ...seat, role: 'guest' as const })) },
          outcome: null,
          lasting: false,
          ended: [],
        })),
      );
      expect(resumed.self.role).toBe('guest');
      expect(domain.resumes).toEqual(['resumed']);
    });
  });
});
