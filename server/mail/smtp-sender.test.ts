import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { startMailServer, type MailServer } from '../../test/support/mail-server.ts';
import { Mailbox } from '../../test/support/mailbox.ts';
import { makeCertificate, type ServerCertificate } from '../../test/support/server-certificate.ts';
import { smtpOptions } from './smtp-options.ts';
import { createSmtpSender, type MailSender, type SmtpTimeouts } from './smtp-sender.ts';

const MAIL = {
  ...{ id: 'i', to: 'anna@example.org', createdAt: 0, subject: 'S', text: 'T', html: 'H' },
  image: { cid: 'c@d', png: Buffer.alloc(1) },
};
const QUICK: SmtpTimeouts = { connectMs: 300, greetingMs: 300, socketMs: 300, totalMs: 1500 };

/** A server that takes everything, up to the mail itself. */
function afterRecipient(answer: (line: string) => string | null): (line: string) => string | null {
  return (line) => {
    if (line === 'DATA') return '354 go on';
    return /^(EHLO|MAIL|RCPT)/.test(line) ? '250 ok' : answer(line);
  };
}

describe('a mail server', () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  function senderTo(url: string, timeouts?: SmtpTimeouts): MailSender {
    const sender = createSmtpSender({ url, from: 'no-reply@tandem.example', ...(timeouts && { timeouts }) });
    closing.push(() => sender.close());
    return sender;
  }
  async function mailServer(options: Parameters<typeof startMailServer>[0] = {}): Promise<MailServer> {
    const server = await startMailServer(options);
    closing.push(() => server.stop());
    return server;
  }
  /** Answers each line with what the script says to it; null: nothing at all. */
  async function scripted(
    answer: (line: string, socket: Socket) => string | null,
    greeting: string | null = '220 hi',
  ): Promise<string> {
    const server: Server = createServer((socket) => {
      socket.on('error', () => undefined);
      if (greeting !== null) socket.write(`${greeting}\r\n`);
      socket.on('data', (bytes) => {
        for (const line of bytes.toString().trim().split('\r\n')) {
          const said = answer(line, socket);
          if (said !== null) socket.write(`${said}\r\n`);
        }
      });
      closing.push(() => Promise.resolve(socket.destroy()));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.unshift(() => new Promise((resolve) => server.close(resolve)));
    return `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`; // a listening TCP server has one
  }

  it.each([
    [450, 'deferred', true],
    [550, 'refused', undefined],
    [552, 'refused', undefined],
  ] as const)('that answers %i to a recipient: %s, in codes alone', async (code, kind, isServerWell) => {
    const server = await mailServer();
    server.judge((recipient) => ({ code, message: `5.1.1 <${recipient}> anna is not here` }));
    const result = await senderTo(server.url).send(MAIL);
    expect(result).toEqual({ kind, reason: expect.stringContaining(`RCPT TO ${code}`), isServerWell });
    expect(JSON.stringify(result)).not.toMatch(/anna|@/);
    // The next one is taken.
    server.judge(() => null);
    expect(await senderTo(server.url).send(MAIL)).toEqual({ kind: 'sent' });
  });

  it('that does not want us at all, for whatever reason, is asked again later', async () => {
    const server = await mailServer({
      allowInsecureAuth: true,
      onAuth: (_auth, _session, done) => done(Object.assign(new Error('no'), { responseCode: 535 })),
    });
    const results = [
      await senderTo(`smtp://u:p@127.0.0.1:${server.port}`).send(MAIL),
      await senderTo(await scripted(() => null, '554 no service')).send(MAIL),
      await senderTo(await scripted((line) => (line.startsWith('EHLO') ? '250 me' : '550 go away'))).send(MAIL),
    ];
    for (const result of results) expect(result).toMatchObject({ kind: 'deferred', isServerWell: false });
    expect(await senderTo(`smtp://u:p@127.0.0.1:${server.port}`).check()).toContain('535');
    expect(await senderTo((await mailServer()).url).check()).toBeNull();
  });

  it.each([
    ['takes the mail back', '451 4.3.0 no space for anna@example.org', 'deferred', 'DATA 451 4.3.0'],
    ['finds it too big', '552 5.3.4 too big, anna', 'refused', 'DATA 552 5.3.4'],
    ['lost track', '503 5.5.1 what mail?', 'deferred', 'DATA 503 5.5.1'],
  ] as const)('that %s after all of it has come is believed', async (_what, answer, kind, reason) => {
    const url = await scripted(afterRecipient((line) => (line === '.' ? answer : null)));
    expect(await senderTo(url, QUICK).send(MAIL)).toMatchObject({ kind, reason });
  });

  it('that closes in the middle is asked again later, wherever that was', async () => {
    const hangUpAt = (moment: RegExp) =>
      scripted((line, socket) => {
        if (!moment.test(line)) return afterRecipient(() => null)(line);
        socket.destroy();
        return null;
      });
    for (const moment of [/^EHLO/, /^MAIL/, /^RCPT/, /^DATA/, /^Subject:/, /^\.$/]) {
      const result = await senderTo(await hangUpAt(moment), QUICK).send(MAIL);
      expect([moment, result]).toEqual([moment, expect.objectContaining({ kind: 'deferred', isServerWell: false })]);
    }
  });

  it('that is gone, silent, slow or breaks off is given up in time', async () => {
    const gone = await startMailServer();
    await gone.stop();
    const trickle = (line: string) => (line.startsWith('EHLO') ? '250-and so on' : null);
    const urls = [
      gone.url,
      await scripted(() => null, null),
      await scripted(afterRecipient(() => null)),
      await scripted(trickle),
    ];
    const startedAt = performance.now();
    const results = await Promise.all(urls.map((url) => senderTo(url, QUICK).send(MAIL)));
    expect(performance.now() - startedAt).toBeLessThan(6000);
    for (const result of results) expect(result).toMatchObject({ kind: 'deferred', isServerWell: false });
  });

  it('that trickles its answer for ever is given up when its time is over, or when nobody waits any more', async () => {
    const timers = new Set<NodeJS.Timeout>();
    closing.push(() => {
      for (const timer of timers) clearInterval(timer);
      return Promise.resolve();
    });
    const taken = new Mailbox<Socket>(() => 'a mail');
    const url = await scripted((line, socket) => {
      if (line === 'DATA') return '354 go on';
      if (/^(EHLO|MAIL|RCPT)/.test(line)) return '250 ok';
      if (line !== '.') return null;
      const timer = setInterval(() => socket.write('250-still at it\r\n'), 50);
      timers.add(timer);
      taken.put(socket);
      return null;
    });
    const patient = { ...QUICK, greetingMs: 60_000, socketMs: 60_000 };
    const late = await senderTo(url, { ...patient, totalMs: 500 }).send(MAIL);
    expect(late).toEqual({ kind: 'deferred', reason: 'EABORT', isServerWell: false });
    const stopped = new AbortController();
    await taken.next('a mail', () => true, 5000);
    const sending = senderTo(url, { ...patient, totalMs: 60_000 }).send(MAIL, stopped.signal);
    const socket = await taken.next('a mail', () => true, 5000);
    const closed = new Promise((resolve) => socket.once('close', resolve));
    stopped.abort();
    expect(await sending).toMatchObject({ kind: 'deferred', reason: 'EABORT' });
    await closed;
  });

  describe('with a certificate', () => {
    let certificate: ServerCertificate;
    beforeAll(async () => {
      certificate = await makeCertificate(['DNS:localhost', 'IP:127.0.0.1']);
    });

    it('gets no mail over TLS until it is trusted, and none in the clear where TLS was asked for', async () => {
      const { key, certificate: cert } = certificate;
      const encrypted = await mailServer({ secure: true, key, cert });
      const url = `smtps://127.0.0.1:${encrypted.port}`;
      expect(await senderTo(url).send(MAIL)).toMatchObject({ kind: 'deferred', isServerWell: false });
      expect(await senderTo(`${url}?tls.rejectUnauthorized=false`).send(MAIL)).toEqual({ kind: 'sent' });
      const upgraded = await mailServer({ key, cert });
      const asked = `${upgraded.url}?requireTLS=true`;
      expect(await senderTo(asked).send(MAIL)).toMatchObject({ kind: 'deferred' });
      expect(await senderTo(`${asked}&tls.rejectUnauthorized=false`).send(MAIL)).toEqual({ kind: 'sent' });
      expect(upgraded.mails.all.map(({ isEncrypted }) => isEncrypted)).toEqual([true]);
      const plain = await mailServer({ hideSTARTTLS: true, disabledCommands: ['STARTTLS'] });
      expect(await senderTo(`${plain.url}?requireTLS=true`).send(MAIL)).toMatchObject({ kind: 'deferred' });
      expect(plain.mails.all).toEqual([]);
    });

    it('of its own on this machine gets mail as it is, with our credentials', async () => {
      const { key, certificate: cert } = certificate;
      const local = await mailServer({ key, cert, allowInsecureAuth: true });
      expect(await senderTo(`smtp://us%40er:p%3Aw@127.0.0.1:${local.port}`).send(MAIL)).toEqual({ kind: 'sent' });
      expect(local.mails.all).toMatchObject([{ isEncrypted: false, user: 'us@er' }]);
    });
  });

  it('elsewhere gets no password in the clear, and its certificate is verified', () => {
    expect(smtpOptions('smtp://u:p@mail.example')).toMatchObject({
      ...{ host: 'mail.example', secure: false, requireTLS: true, ignoreTLS: false, auth: { user: 'u', pass: 'p' } },
      tls: { rejectUnauthorized: true },
    });
    expect(smtpOptions('smtp://mail.example:2525')).toMatchObject({ port: 2525, requireTLS: false, ignoreTLS: false });
    expect(smtpOptions('smtps://u:p@[2001:db8::1]')).toMatchObject({
      host: '2001:db8::1',
      secure: true,
      requireTLS: false,
    });
    expect(smtpOptions('smtp://127.0.0.1.evil.example').ignoreTLS).toBe(false);
  });

  it('is not connected to before there is a mail', async () => {
    const server = await mailServer();
    const sender = senderTo(server.url);
    const probe = connect(server.port, '127.0.0.1');
    await new Promise((resolve) => probe.once('data', resolve));
    probe.destroy();
    await sender.close();
    expect(server.recipients.all).toEqual([]);
  });
});
