import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startMailServer, type MailServer } from '../../test/support/mail-server.ts';
import { maskAddress, parseRecipient } from './recipient.ts';
import { createSmtpSender, type MailSender } from './smtp-sender.ts';

const HOSTILE = [
  '',
  ' ',
  'anna',
  '@example.org',
  'anna@',
  'anna@localhost',
  'anna@example.org ',
  ' anna@example.org',
  'anna@example.org,eve@evil.example',
  'anna@example.org, eve@evil.example',
  'anna@example.org;eve@evil.example',
  'anna@example.org eve@evil.example',
  'anna@example.org\neve@evil.example',
  'anna@example.org\r\nBcc: eve@evil.example',
  'anna@example.org\r\n\r\nBuy now',
  'anna@example.org%0d%0aBcc:eve@evil.example',
  'anna@example.org\0',
  'anna\t@example.org',
  'anna@example.org>\r\nRCPT TO:<eve@evil.example',
  'anna@example.org> NOTIFY=SUCCESS ORCPT=rfc822;eve@evil.example',
  '<anna@example.org>',
  'Anna <anna@example.org>',
  '"Anna" <anna@example.org>',
  'Eve <eve@evil.example>, anna@example.org',
  'friends: anna@example.org, eve@evil.example;',
  'undisclosed-recipients:;',
  'anna(eve@evil.example)@example.org',
  'anna@example.org (eve@evil.example)',
  '"anna@evil.example"@example.org',
  '"anna eve"@example.org',
  'anna\\@evil.example@example.org',
  'anna@eve@example.org',
  'anna@[127.0.0.1]',
  'anna@[IPv6:::1]',
  'anna@127.0.0.1',
  'anna%evil.example@example.org',
  'evil.example!anna@example.org',
  '@evil.example:anna@example.org',
  '=?utf-8?q?anna=40evil.example=2C?=@example.org',
  '|/bin/sh@example.org',
  '-oQ/tmp@example.org',
  '.anna@example.org',
  'anna..b@example.org',
  'anna@example..org',
  'anna@-example.org',
  'anna@example.org.',
  'anna@ex\u00e4mple.org',
  'anna@example\u3002org',
  'anna\uff20evil.example@example.org',
  '\u202eanna@example.org',
  `${'a'.repeat(65)}@example.org`,
  `anna@${'a'.repeat(64)}.org`,
  `anna@${`${'a'.repeat(60)}.`.repeat(4)}example.org`,
];

describe('an address to invite', () => {
  it.each(['anna@example.org', "o'brien+tag@mail.example.co.uk", 'a_b-c=d@xn--bcher-kva.example', '7@a1.io'])(
    'is one like %s',
    (address) => {
      expect(parseRecipient(address)).toMatchObject({ address });
    },
  );

  it('takes none of the hostile ones', () => {
    expect(HOSTILE.length).toBeGreaterThan(40);
    expect(HOSTILE.filter((address) => parseRecipient(address) !== null)).toEqual([]);
  });

  it('belongs to the same mailbox in every spelling, and to another one otherwise', () => {
    const bucketOf = (address: string) => parseRecipient(address)?.bucket;
    const same = ['anna@example.org', 'ANNA@Example.ORG', 'anna+1@example.org', 'anna+a+b@example.org'];
    expect(new Set(same.map(bucketOf)).size).toBe(1);
    expect(new Set(['an.na@gmail.com', 'anna+x@googlemail.com', 'a.n.n.a@GMAIL.com'].map(bucketOf)).size).toBe(1);
    const others = ['anna@example.com', 'an.na@example.org', 'anna@example.org', '+anna@example.org', '+b@example.org'];
    expect(new Set(others.map(bucketOf)).size).toBe(others.length);
    expect(bucketOf('anna@example.org')).not.toContain('anna');
  });

  it('is masked for logs', () => {
    expect(maskAddress('anna.b@mail.example.org')).toBe('a***@m***.org');
  });
});

describe('an address that got past every check', () => {
  let server: MailServer;
  let sender: MailSender;

  beforeAll(async () => {
    server = await startMailServer();
    sender = createSmtpSender({ url: server.url, from: 'no-reply@tandem.example' });
  });
  afterAll(async () => {
    await sender.close();
    await server.stop();
  });

  it('leads to nobody', async () => {
    const content = { subject: 'S', text: 'T', html: 'H', image: { cid: 'c@d', png: Buffer.alloc(1) } };
    for (const to of [...HOSTILE, 'anna@example.org']) await sender.send({ ...content, id: 'i', to, createdAt: 0 });
    expect(server.recipients.all).toEqual(['anna@example.org']);
    expect(server.mails.all.map(({ to }) => to)).toEqual([['anna@example.org']]);
  });
});
