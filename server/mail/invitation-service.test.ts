import { beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { ErrorCode } from '../../protocol/errors.ts';
import { LIMITS } from '../../protocol/limits.ts';
import type { Participant } from '../../protocol/session.ts';
import type { LimitRules } from '../limits/limit-rules.ts';
import type { NewMail } from '../sessions/mail-queue.ts';
import { MemoryLimits } from '../state/memory/memory-limits.ts';
import { InvitationService, type InviteRequest } from './invitation-service.ts';
import { noteIssue } from './note.ts';
import { publicOrigin } from './public-origin.ts';

const NOW = 1_800_000_000_000;
const RULES = Object.fromEntries(
  Object.entries(LIMITS).map(([name, { scope, points, durationSeconds, blockSeconds }]) => [
    name,
    { name, scope, points, durationMs: durationSeconds * 1000, blockMs: blockSeconds * 1000 },
  ]),
) as LimitRules; // fromEntries forgets which names it was given
const PARTICIPANT: Participant = {
  ...{ id: 'p', role: 'host', name: null, userId: null, presence: 'online', state: 'active' },
  ...{ joinedAt: '', joinedSeq: 0, delivered: 0, read: 0 },
};
const REQUEST: InviteRequest = {
  session: {
    ...{ id: 's', code: 'BCD234', codeExpiresAt: new Date(NOW + 60_000).toISOString() },
    ...{ status: 'waiting', locked: false, capacity: 2, participants: [PARTICIPANT] },
  },
  sender: { kind: 'user', id: 'u' },
  ip: '192.0.2.1',
  origin: 'https://tandem.example',
  to: 'anna@example.org',
  note: 'See you at 5.',
};

describe('an invitation', () => {
  let queued: NewMail[];
  let now: number;

  beforeEach(() => {
    [queued, now] = [[], NOW];
  });

  const keep = (mail: NewMail): Promise<void> => {
    queued.push(mail);
    return Promise.resolve();
  };
  function serviceOf({ isConfigured = true, enqueue = keep } = {}) {
    return new InvitationService({
      queue: { enqueue },
      limits: new MemoryLimits(() => now),
      rules: RULES,
      isConfigured,
      now: () => now,
      newId: () => `mail-${queued.length + 1}`,
    });
  }
  const refusal = (code: ErrorCode, more: object = {}) => expect.objectContaining({ code, ...more });
  const withSession = (session: Partial<InviteRequest['session']>): InviteRequest => ({
    ...REQUEST,
    session: { ...REQUEST.session, ...session },
  });

  it('waits in the queue with all that its mail needs', async () => {
    await serviceOf().invite(REQUEST);
    expect(queued).toEqual([
      {
        ...{ id: 'mail-1', sessionId: 's', sender: 'u', recipient: 'anna@example.org', now: NOW, dueAt: NOW },
        content: {
          ...{ code: 'BCD234', codeExpiresAt: NOW + 60_000, origin: 'https://tandem.example', note: 'See you at 5.' },
        },
      },
    ]);
  });

  it('is refused where no mail can be sent, or nobody knows where it would lead', async () => {
    await expect(serviceOf({ isConfigured: false }).invite(REQUEST)).rejects.toEqual(refusal('UNAVAILABLE'));
    await expect(serviceOf().invite({ ...REQUEST, origin: null })).rejects.toEqual(refusal('UNAVAILABLE'));
    expect(queued).toEqual([]);
  });

  it('goes to no session that cannot be joined', async () => {
    const full = { code: null, codeExpiresAt: null, participants: [PARTICIPANT, PARTICIPANT] };
    for (const [session, code] of [
      [{ status: 'closed', code: null, codeExpiresAt: null }, 'SESSION_CLOSED'],
      [{ locked: true, code: null, codeExpiresAt: null }, 'SESSION_LOCKED'],
      [full, 'SESSION_FULL'],
      [{ code: null, codeExpiresAt: null }, 'SESSION_NOT_FOUND'],
    ] as const) {
      await expect(serviceOf().invite(withSession(session))).rejects.toEqual(refusal(code));
    }
    expect(queued).toEqual([]);
  });

  it('says all that is wrong with it at once, and counts for no limit then', async () => {
    const service = serviceOf();
    for (let attempt = 0; attempt < 20; attempt += 1) {
      await expect(service.invite({ ...REQUEST, to: 'a@b', note: 'http://x' })).rejects.toEqual(
        refusal('INVALID_PAYLOAD', {
          issues: [expect.objectContaining({ path: 'to' }), expect.objectContaining({ path: 'note' })],
        }),
      );
    }
    await service.invite({ ...REQUEST, note: ' ' });
    expect(queued).toMatchObject([{ content: { note: null } }]);
  });

  it('is limited by recipient, however the address is spelled, whoever sends it', async () => {
    const service = serviceOf();
    const spellings = ['anna@example.org', 'ANNA@example.org', 'anna+x@example.org', 'Anna+y@Example.org'];
    const results = await Promise.allSettled(
      spellings.map((to, index) =>
        service.invite({ ...REQUEST, to, ip: `192.0.2.${index}`, sender: { kind: 'user', id: `u${index}` } }),
      ),
    );
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
    expect(results[3]).toMatchObject({
      reason: { code: 'RATE_LIMITED', limit: { name: 'emails_recipient', scope: 'key' } },
    });
    now += 86_400_000;
    await service.invite({ ...REQUEST, sender: { kind: 'key', id: 'shop' } });
    expect(queued).toHaveLength(4);
  });

  it('is limited by user, by key and by address, and one that is refused counts for none of them', async () => {
    const service = serviceOf();
    let count = 0;
    const send = (more: Partial<InviteRequest>) => {
      count += 1;
      return service.invite({ ...REQUEST, to: `r${count}@example.org`, ...more });
    };
    for (let sent = 0; sent < 10; sent += 1) await send({ ip: `192.0.2.${sent}` });
    // The same name is another sender as a key.
    await send({ sender: { kind: 'key', id: 'u' } });
    for (let refused = 0; refused < 3; refused += 1) {
      await expect(send({ ip: '198.51.100.1', to: 'anna@example.org' })).rejects.toEqual(
        refusal('RATE_LIMITED', { limit: expect.objectContaining({ name: 'emails_user', scope: 'user' }) }),
      );
    }
    // Neither the address nor the recipient has lost a point.
    await send({ sender: { kind: 'user', id: 'v' }, ip: '198.51.100.1', to: 'anna@example.org' });
    for (let sent = 1; sent < 10; sent += 1)
      await send({ sender: { kind: 'user', id: `v${sent}` }, ip: '198.51.100.1' });
    await expect(send({ sender: { kind: 'user', id: 'w' }, ip: '198.51.100.1' })).rejects.toEqual(
      refusal('RATE_LIMITED', { limit: expect.objectContaining({ name: 'emails_user', scope: 'ip' }) }),
    );
    await send({ sender: { kind: 'key', id: 'shop' }, ip: '198.51.100.1' });
  });

  it('that could not be stored is told as such', async () => {
    const service = serviceOf({ enqueue: () => Promise.reject(new Error('away')) });
    await expect(service.invite(REQUEST)).rejects.toThrow('away');
  });
});

describe('a note', () => {
  it.each([
    'See you at 5.',
    'R\u00e9union \u00e0 10 h 30 \u2014 apporte du caf\u00e9, 3.50 \u20ac (e.g. filtre)!',
    '\u3053\u3093\u306b\u3061\u306f\u3002\u5143\u6c17\u3067\u3059\u304b',
    'a < b && "c" > d',
    'we meet @ the caf\u00e9, at 5: bring me 2 : 1',
    'family \u{1f468}\u200d\u{1f469}\u200d\u{1f467}',
    '\u{1f44b}'.repeat(200),
  ])('is text like %s', (note) => {
    expect(noteIssue(note)).toBeNull();
  });

  it.each([
    'x'.repeat(201),
    'two\nlines',
    'two\r\nBcc: eve@evil.example',
    'nul\0',
    'tab\t',
    '\u2028',
    '\u202egro.live',
    '\ud800',
    'http://x',
    'hxxps://evil',
    'HTTPS:evil',
    'mailto:eve',
    'tel:+49123',
    'javascript:alert(1)',
    'www.evil',
    'see evil.example now',
    'evil.example/path',
    'EVIL.EXAMPLE',
    'evil.\u0440\u0444',
    'ex\u00e4mple.org',
    'evil\uff0eexample',
    'evil\u3002example',
    'evil\uff61example',
    'ev\u200bil.ex\u00adample',
    '\uff45\uff56\uff49\uff4c.\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45',
    'evil\u2024example',
    'a.xn--p1ai',
    '10.0.0.1',
    '[2001:db8::1]',
    'eve@evil',
    'evil%2eexample',
  ])('is not %j', (note) => {
    expect(noteIssue(note)).not.toBeNull();
  });

  it('with any link in it is refused, whatever stands around', () => {
    const links = fc.constantFrom('http://a', 'https://a.b/c', 'www.a', 'evil.example', 'eve@evil.example', '1.2.3.4');
    const prose = fc.stringMatching(/^[\p{L}\p{Zs}!?,;-]{0,40}$/u);
    fc.assert(
      fc.property(prose, links, prose, (before, link, after) => noteIssue(`${before} ${link} ${after}`) !== null),
    );
  });
});

describe('where the link of an invitation leads', () => {
  const socket = { localAddress: '127.0.0.1', localPort: 3001 };
  const development = { publicUrl: null, isProduction: false };

  it.each([
    [{ ...development, publicUrl: 'https://tandem.example' }, socket, 'https://tandem.example'],
    [{ publicUrl: null, isProduction: true }, socket, null],
    [development, socket, 'http://127.0.0.1:3001'],
    [development, { localAddress: '::ffff:192.168.0.7', localPort: 80 }, 'http://192.168.0.7'],
    [development, { localAddress: 'fe80::1%eth0', localPort: 3001 }, 'http://[fe80::1]:3001'],
    [development, {}, null],
  ])('%j %j: %s', (configured, at, origin) => {
    expect(publicOrigin(configured, at)).toBe(origin);
  });
});
