import { beforeEach, describe, expect, it } from '@jest/globals';
import { Webhook as Signer } from 'standardwebhooks';
import { TandemError } from '../../protocol/errors.ts';
import { Webhook } from './webhook.ts';

const START = 1_800_000_000_000;
const MINUTE = 60_000;
const SECRET = `whsec_${Buffer.from('a key of twenty-four or more bytes').toString('base64')}`;
const OTHER = `whsec_${Buffer.from('another key of so many bytes here').toString('base64')}`;

describe('a webhook', () => {
  let now: number;
  let effects: string[];
  let failure: Error | null;

  beforeEach(() => {
    [now, effects, failure] = [START, [], null];
  });

  /** Until when logins were ended. */
  const moments: (number | null)[] = [];

  function webhookOf(secret: string | null = SECRET): Webhook {
    const effect = (name: string) => (subject: string, until?: number) => {
      moments.push(until ?? null);
      if (failure !== null) return Promise.reject(failure);
      effects.push(`${name} ${subject}`);
      return Promise.resolve();
    };
    const signOut = { endUser: effect('end'), deleteUser: effect('delete') };
    return new Webhook({ secret, signOut, now: () => now });
  }

  /** Signed by the library of the standard: what any sender does. */
  function signed(payload: unknown, { id = 'msg_1', secret = SECRET, at = now, raw = false } = {}) {
    const rawBody = Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
    const signer = raw ? new Signer(secret, { format: 'raw' }) : new Signer(secret);
    const headers = {
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(at / 1000)),
      'webhook-signature': signer.sign(id, new Date(at), rawBody),
    };
    return { headers, rawBody };
  }
  const event = (type: string, data: unknown = { userId: 'u1' }) => ({
    ...{ type, timestamp: '2027-01-15T08:00:00.000Z', data },
  });
  const code = (expected: string) => expect.objectContaining({ code: expected });
  const deliver = (webhook: Webhook, { headers, rawBody }: ReturnType<typeof signed>) =>
    webhook.handle(headers, rawBody);

  it.each([
    ['user.deleted', 'delete u1'],
    ['user.password_changed', 'end u1'],
    ['user.logged_out', 'end u1'],
  ])('%s has its effect', async (type, effect) => {
    expect(await deliver(webhookOf(), signed(event(type)))).toBe('done');
    expect(effects).toEqual([effect]);
  });

  it('ends what began before it happened, by its own word or by its signature, whenever and wherever it comes', async () => {
    now += 250;
    const tenMinutesAgo = now - 600_000;
    const told: [unknown, number][] = [
      [new Date(tenMinutesAgo).toISOString(), tenMinutesAgo],
      [new Date(now - 30).toISOString(), now - 30],
      // Seconds are whole ones.
      ['2027-01-15T07:59:59Z', START - 1],
      // It says nothing, or what can't be: not after it was signed, which is a time in seconds.
      ...['yesterday', 7, undefined].map((timestamp): [unknown, number] => [timestamp, START + 999]),
      [new Date(now + 600_000).toISOString(), START + 999],
    ];
    for (const type of ['user.logged_out', 'user.password_changed', 'user.deleted']) {
      const messages = told.map(([timestamp], index) =>
        signed({ ...event(type), timestamp }, { id: `${type}_${index}`.replaceAll('.', '_') }),
      );
      // At first, again within the second and after four minutes: each time at an instance that knows of none.
      for (const laterMs of [750, 4 * MINUTE]) {
        now += laterMs;
        moments.length = 0;
        for (const message of messages) await deliver(webhookOf(), message);
        expect(moments).toEqual(told.map(([, moment]) => moment));
        now -= laterMs;
      }
      // Not before it is over: whoever signs in within the same second stays.
      moments.length = 0;
      await deliver(webhookOf(), messages[3] ?? signed({}));
      expect(moments).toEqual([now]);
    }
  });

  it('names its user in one of the ways that there are', async () => {
    const names = [
      ...[{ user_id: 'a' }, { sub: 'b' }, { id: 'c' }, { user: { id: 'd' } }, { userId: 'e', id: 'x', sessionId: 's' }],
    ];
    const webhook = webhookOf();
    for (const [index, data] of names.entries()) {
      await deliver(webhook, signed(event('user.logged_out', data), { id: `msg_${index}` }));
    }
    expect(effects).toEqual(['end a', 'end b', 'end c', 'end d', 'end e']);
  });

  it('of a type that is not ours is taken without effect', async () => {
    expect(await deliver(webhookOf(), signed(event('user.created', null)))).toBe('ignored');
    expect(effects).toEqual([]);
  });

  it.each(['', 'null', '[]', '{', '"x"', '{"data":{}}', '{"type":7}', '\u0000'])(
    'that is signed and is %j is refused as malformed',
    async (body) => {
      await expect(deliver(webhookOf(), signed(body))).rejects.toEqual(code('INVALID_PAYLOAD'));
    },
  );

  it.each([
    null,
    'u1',
    {},
    { userId: '' },
    { userId: 7 },
    { userId: 'x'.repeat(256) },
    { userId: '\u0000' },
    { user: 'u1' },
  ])('that names no user, but %j, is refused as malformed', async (data) => {
    await expect(deliver(webhookOf(), signed(event('user.deleted', data)))).rejects.toEqual(code('INVALID_PAYLOAD'));
    expect(effects).toEqual([]);
  });

  it('counts for five minutes, before and after', async () => {
    for (const [offset, isTaken] of [
      [-5 * MINUTE, true],
      [-5 * MINUTE - 1000, false],
      [5 * MINUTE, true],
      [5 * MINUTE + 1000, false],
    ] as const) {
      const delivery = deliver(webhookOf(), signed(event('user.deleted'), { at: now + offset }));
      if (isTaken) expect(await delivery).toBe('done');
      else await expect(delivery).rejects.toMatchObject({ code: 'UNAUTHENTICATED', cause: { message: 'time' } });
    }
  });

  it('that anybody changed, or that somebody else signed, is refused in the same words', async () => {
    const { headers, rawBody } = signed(event('user.deleted'));
    const signature = headers['webhook-signature'];
    const forgeries: [object, Buffer?][] = [
      [{}],
      [{ ...headers, 'webhook-id': undefined }],
      [{ ...headers, 'webhook-id': 'msg_2' }],
      [{ ...headers, 'webhook-id': ['msg_1'] }],
      [{ ...headers, 'webhook-id': 'msg.1' }],
      [{ ...headers, 'webhook-timestamp': String(START / 1000 + 1) }],
      [{ ...headers, 'webhook-timestamp': `${START / 1000}.0` }],
      [{ ...headers, 'webhook-timestamp': ` ${START / 1000}` }],
      [{ ...headers, 'webhook-timestamp': 'NaN' }],
      [{ ...headers, 'webhook-signature': '' }],
      [{ ...headers, 'webhook-signature': 'v1,' }],
      [{ ...headers, 'webhook-signature': 'v1' }],
      [{ ...headers, 'webhook-signature': signature.slice(0, -1) }],
      [{ ...headers, 'webhook-signature': `${signature}A` }],
      [{ ...headers, 'webhook-signature': signature.replace('v1,', 'v2,') }],
      [{ ...headers, 'webhook-signature': signature.replace('v1,', 'v1a,') }],
      [{ ...headers, 'webhook-signature': signature.toLowerCase() }],
      [signed(event('user.deleted'), { secret: OTHER }).headers],
      [headers, Buffer.from(JSON.stringify(event('user.deleted', { userId: 'u2' })))],
      [headers, Buffer.concat([rawBody, Buffer.from(' ')])],
    ];
    const webhook = webhookOf();
    const messages = new Set<string>();
    for (const [forged, body = rawBody] of forgeries) {
      const error: unknown = await webhook.handle(forged, body).catch((thrown: unknown) => thrown);
      expect({ forged, error }).toEqual({ forged, error: code('UNAUTHENTICATED') });
      messages.add((error as Error).message); // seen to be one by the line above
    }
    expect(messages.size).toBe(1);
    expect(effects).toEqual([]);
    expect(await webhook.handle(headers, rawBody)).toBe('done');
  });

  it('is refused where no secret is set', async () => {
    await expect(deliver(webhookOf(null), signed(event('user.deleted')))).rejects.toEqual(code('UNAUTHENTICATED'));
  });

  it('may carry several signatures, one of which is ours, while its sender changes its secret', async () => {
    const { headers, rawBody } = signed(event('user.deleted'));
    const other = signed(event('user.deleted'), { secret: OTHER }).headers['webhook-signature'];
    const both = { ...headers, 'webhook-signature': `v1a,AAAA ${other} ${headers['webhook-signature']}` };
    expect(await webhookOf().handle(both, rawBody)).toBe('done');
  });

  it.each([
    ['of Supabase', `v1,${SECRET}`, { secret: SECRET }],
    ['without a prefix, in base64', SECRET.slice(6), { secret: SECRET }],
    ['of characters', 'some words, twenty-four of them', { secret: 'some words, twenty-four of them', raw: true }],
    ['that could be either, as characters', SECRET.slice(6), { secret: SECRET.slice(6), raw: true }],
  ])('is signed by a secret %s', async (_name, secret, how) => {
    expect(await deliver(webhookOf(secret), signed(event('user.deleted'), how))).toBe('done');
  });

  it('has its effect once, however often it is brought', async () => {
    const webhook = webhookOf();
    const first = signed(event('user.deleted'));
    const outcomes = await Promise.all([deliver(webhook, first), deliver(webhook, first)]);
    expect(outcomes).toEqual(['done', 'repeated']);
    now += 4 * MINUTE;
    // Brought again by its sender: the same id, signed anew.
    expect(await deliver(webhook, signed(event('user.deleted')))).toBe('repeated');
    expect(await deliver(webhook, signed(event('user.deleted'), { id: 'msg_2' }))).toBe('done');
    expect(effects).toHaveLength(2);
  });

  it('that failed is taken when it is brought again', async () => {
    const webhook = webhookOf();
    failure = new TandemError('UNAVAILABLE');
    const message = signed(event('user.deleted'));
    const outcomes = await Promise.allSettled([deliver(webhook, message), deliver(webhook, message)]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    failure = null;
    expect(await deliver(webhook, message)).toBe('done');
    expect(effects).toEqual(['delete u1']);
  });
});
