import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import jsqr from 'jsqr';
import { formatCode } from '../../client/code.ts';
import { codeInFragment, parseTarget } from '../../client/link.ts';
import { startMailServer, type MailServer } from '../../test/support/mail-server.ts';
import { parseMail, partsOf } from '../../test/support/mime.ts';
import { decodePng } from '../../test/support/png.ts';
import type { Invitation } from './invitation.ts';
import { invitationLink, shownForm } from './invitation.ts';
import { writeInvitation } from './invitation-mail.ts';
import { createSmtpSender, type MailSender } from './smtp-sender.ts';

const DEADLINE_MS = 10_000;
const INVITATION: Invitation = {
  code: 'BCD234',
  codeExpiresAt: Date.parse('2026-01-31T12:34:56.000Z'),
  origin: 'https://tandem.example',
  note: `Tom & "Ann" <b>say</b> it's \u{1f44b} at 5`,
};
const ID = '0198c6a0-1111-7abc-8def-0123456789ab';

describe('an invitation, delivered', () => {
  let server: MailServer;
  let sender: MailSender;

  beforeAll(async () => {
    server = await startMailServer();
    sender = createSmtpSender({ url: server.url, from: 'Tandem <no-reply@tandem.example>' });
  });
  afterAll(async () => {
    await sender.close();
    await server.stop();
  });

  async function delivered(invitation: Invitation, to = 'anna@example.org') {
    const written = await writeInvitation(invitation);
    const result = await sender.send({ ...written, id: ID, to, createdAt: 1_800_000_000_000 });
    expect(result).toEqual({ kind: 'sent' });
    const taken = await server.mails.next('a mail', () => true, DEADLINE_MS);
    return { ...taken, mail: parseMail(taken.raw) };
  }

  it('goes to one address, from ours, under a constant id, and answers itself to nobody', async () => {
    const { from, to, mail } = await delivered(INVITATION);
    expect({ from, to }).toEqual({ from: 'no-reply@tandem.example', to: ['anna@example.org'] });
    const headers = Object.fromEntries([...mail.headers].map(([name, values]) => [name, values.join('|')]));
    expect(headers).toEqual({
      from: 'Tandem <no-reply@tandem.example>',
      to: 'anna@example.org',
      subject: 'Invitation to a Tandem session',
      'message-id': `<${ID}@tandem.example>`,
      date: new Date(1_800_000_000_000).toUTCString().replace('GMT', '+0000'),
      'auto-submitted': 'auto-generated',
      'x-auto-response-suppress': 'All',
      'mime-version': '1.0',
      'content-type': expect.stringContaining('multipart/alternative'),
    });
  });

  it('says code and link as text and as a page, and the link as a picture', async () => {
    const { mail } = await delivered(INVITATION);
    const [text, html, image] = ['text/plain', 'text/html', 'image/png'].map((type) => partsOf(mail, type)[0]);
    const link = 'https://tandem.example/#BCD-234';
    for (const said of [text, html].map((part) => part?.body.toString() ?? '')) {
      expect(said).toContain(link);
      expect(said).toContain('BCD-234');
      expect(said).toContain('2026-01-31 12:34 UTC');
    }
    expect(text?.body.toString()).toContain(`> ${INVITATION.note}`);
    const { rgba, width, height } = decodePng(image?.body ?? Buffer.alloc(0));
    expect(jsqr.default(rgba, width, height)?.data).toBe(link);
    const cid = /src="cid:([^"]+)"/.exec(html?.body.toString() ?? '')?.[1];
    expect(image?.headers.get('content-id')).toEqual([`<${cid}>`]);
    expect(image?.headers.get('content-disposition')?.[0]).toMatch(/^inline/);
  });

  it('shows a note as it was written, and loads nothing from anywhere', async () => {
    const { mail } = await delivered(INVITATION);
    const html = partsOf(mail, 'text/html')[0]?.body.toString() ?? '';
    expect(html).toContain('Tom &amp; &quot;Ann&quot; &lt;b&gt;say&lt;/b&gt; it&#39;s \u{1f44b} at 5');
    expect(html).not.toContain('<b>');
    // One link, to us; one picture, in the mail.
    expect([...html.matchAll(/\b(?:src|href|background|url)\s*[=(]\s*"?([^"\s>]+)/g)].map(([, to]) => to)).toEqual([
      'https://tandem.example/#BCD-234',
      'cid:code@tandem',
    ]);
  });

  it('without a note says nothing of one', async () => {
    const { mail } = await delivered({ ...INVITATION, note: null });
    for (const type of ['text/plain', 'text/html']) {
      expect(partsOf(mail, type)[0]?.body.toString()).not.toMatch(/note|null/i);
    }
  });
});

describe('the link of an invitation', () => {
  it.each(['BCD234', 'BCDF234', 'BCDF2345', 'BCD234FGH', 'BCDFGH23456789'.slice(0, 12)])(
    'is one that the pages read, of %s',
    (code) => {
      const link = invitationLink({ origin: 'https://tandem.example', code });
      expect(shownForm(code)).toBe(formatCode(code));
      expect(codeInFragment(new URL(link).hash)).toBe(formatCode(code));
      expect(parseTarget(link)).toEqual({ kind: 'code', code, secret: null });
    },
  );
});
