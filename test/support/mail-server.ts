import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { Mailbox } from './mailbox.ts';

export interface TakenMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and body as they came. */
  readonly raw: string;
  readonly isEncrypted: boolean;
  readonly user: string | null;
}

/** What the server answers to a recipient: its refusal, or null. */
export type Judge = (recipient: string) => { readonly code: number; readonly message: string } | null;

export interface MailServer {
  readonly port: number;
  readonly url: string;
  /** Mails that were taken. */
  readonly mails: Mailbox<TakenMail>;
  /** Recipients that were named, taken or not. */
  readonly recipients: Mailbox<string>;
  judge(judge: Judge): void;
  stop(): Promise<void>;
}

export interface MailServerOptions extends SMTPServerOptions {
  readonly port?: number;
  /** It takes mails and never says that it has. */
  readonly keepsQuiet?: boolean;
}

/** A real mail server, on the port if one is given; it takes every mail unless it is told to judge. */
export async function startMailServer({ keepsQuiet = false, ...options }: MailServerOptions = {}): Promise<MailServer> {
  const mails = new Mailbox<TakenMail>(({ to }) => to.join(' '));
  const recipients = new Mailbox<string>((recipient) => recipient);
  let judge: Judge = () => null;
  const server = new SMTPServer({
    authOptional: true,
    closeTimeout: 100,
    logger: false,
    onAuth: ({ username }, _session, done) => done(null, { user: username ?? '' }),
    onRcptTo: ({ address }, _session, done) => {
      recipients.put(address);
      const refusal = judge(address);
      done(refusal === null ? null : Object.assign(new Error(refusal.message), { responseCode: refusal.code }));
    },
    onData: (stream, { envelope, secure, user }, done) => {
      void text(stream).then((raw) => {
        const from = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
        const to = envelope.rcptTo.map(({ address }) => address);
        mails.put({ from, to, raw, isEncrypted: secure, user: typeof user === 'string' ? user : null });
        if (!keepsQuiet) done();
      });
    },
    ...options,
  });
  // Clients that give up are what some tests are about.
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo; // a listening TCP server has one
  return {
    port,
    url: `smtp://127.0.0.1:${port}`,
    mails,
    recipients,
    judge: (next) => {
      judge = next;
    },
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
