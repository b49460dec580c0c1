import { describe, expect, it } from '@jest/globals';
import { resumeOf } from './support/seat.ts';
import { Clock } from './support/clock.ts';
import { stageServer } from './support/stage.ts';

const UNKNOWN_ID = '01890000-0000-7000-8000-000000000000';

describe('a resume', () => {
  const stage = stageServer();

  it.each([
    ['lastSeq is negative', { lastSeq: -1 }],
    ['lastSeq has a fraction', { lastSeq: 1.5 }],
    ['lastSeq is beyond exact numbers', { lastSeq: 2 ** 53 }],
    ['lastSeq is a text', { lastSeq: '5' }],
    ['lastSeq is missing', { lastSeq: undefined }],
    ['lastSeq is null', { lastSeq: null }],
    ['the epoch is a text', { epoch: '1' }],
    ['the epoch is negative', { epoch: -1 }],
    ['the epoch is missing', { epoch: undefined }],
    ['durableSeq is negative', { durableSeq: -1 }],
    ['durableSeq is a text', { durableSeq: '1' }],
    ['lastId is a number', { lastId: 7 }],
    ['lastId is too long', { lastId: 'x'.repeat(65) }],
    ['the session is no text', { sessionId: 7 }],
    ['the session is missing', { sessionId: undefined }],
    ['the participant is missing', { participantId: undefined }],
    ['the token is missing', { resumeToken: undefined }],
    ['the token is an object', { resumeToken: { $gt: '' } }],
    ['a field is unknown', { colour: 'blue' }],
  ])('is malformed when %s', async (_what, change) => {
    const { guest } = await stage.pair();
    const { resume } = resumeOf(guest);
    const { message, data } = await stage.connectRefusal({ auth: () => ({ resume: { ...resume, ...change } }) });
    expect(message).toBe('INVALID_PAYLOAD');
    expect(data).toMatchObject({ code: 'INVALID_PAYLOAD', retryable: false, message: expect.any(String) });
    await guest.client.barrier();
    expect(guest.client.received('connection:closing')).toEqual([]);
  });

  it.each([
    ['resume is a text', { resume: 'x' }],
    ['resume is null', { resume: null }],
    ['resume is a list', { resume: [] }],
    ['a field beside it is unknown', { colour: 'blue' }],
    ['it is nested deeper than anything is', { resume: JSON.parse('['.repeat(40) + ']'.repeat(40)) as unknown }],
    ['it holds NUL', { resume: 'x\u0000' }],
  ])('and its handshake are malformed when %s', async (_what, auth) => {
    const { message, data } = await stage.connectRefusal({ auth: () => auth });
    expect(message).toBe('INVALID_PAYLOAD');
    expect(data).toMatchObject({ code: 'INVALID_PAYLOAD', retryable: false });
  });

  it.each([
    ['another token', { resumeToken: 'A'.repeat(43) }],
    ['an unknown participant', { participantId: UNKNOWN_ID }],
    ['an unknown session', { sessionId: UNKNOWN_ID }],
  ])('is rejected with %s, and the seat does not notice', async (_what, change) => {
    const { host, guest } = await stage.pair();
    const { message, data } = await stage.connectRefusal({ auth: resumeOf(guest, change) });
    expect(message).toBe('RESUME_REJECTED');
    expect(data).toMatchObject({ code: 'RESUME_REJECTED', retryable: false });
    await guest.client.barrier();
    expect(guest.client.received('connection:closing')).toEqual([]);
    await host.client.barrier();
    expect(host.client.received('session:presence')).toEqual([]);
  });

  it('is rejected with the token of another seat', async () => {
    const { host, guest } = await stage.pair();
    const other = await stage.pair();
    for (const { resumeToken } of [host.self, other.guest.self]) {
      expect(await stage.connectRefusal({ auth: resumeOf(guest, { resumeToken }) })).toMatchObject({
        message: 'RESUME_REJECTED',
      });
    }
    expect(await stage.connectRefusal({ auth: resumeOf(guest, { sessionId: other.host.session.id }) })).toMatchObject({
      message: 'RESUME_REJECTED',
    });
  });

  it('says nothing of what is wrong', async () => {
    const { guest } = await stage.pair();
    const answers = [];
    for (const change of [{ resumeToken: 'A'.repeat(43) }, { participantId: UNKNOWN_ID }, { sessionId: UNKNOWN_ID }]) {
      answers.push((await stage.connectRefusal({ auth: resumeOf(guest, change) })).data);
    }
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });
});

describe('the resume of a closed session', () => {
  const clock = new Clock();
  const stage = stageServer({ RETRY_HORIZON: '1h' }, { now: clock.now });

  it('is possible until RETRY_HORIZON after the close', async () => {
    const { host, guest } = await stage.pair();
    await host.client.do('session:close', {});
    await guest.client.next('session:closed');
    clock.advance(59 * 60_000);
    const client = await stage.connect({ auth: resumeOf(guest) });
    expect((await client.next('session:resumed')).session.status).toBe('closed');
    client.close();
    clock.advance(2 * 60_000);
    expect((await stage.connectRefusal({ auth: resumeOf(guest) })).message).toBe('RESUME_REJECTED');
  });
});
