import { createHash } from 'node:crypto';
import { emailKeyOf, isEmailAddress } from '../auth/email-address.ts';

/** One mailbox to send to. */
export interface Recipient {
  /** As it was given: a part before the @ may tell cases apart. */
  readonly address: string;
  /** The mailbox whose owner is to be left alone, however the address was spelled; no text of a user. */
  readonly bucket: string;
}

/**
 * Stricter than the address of an account, which nobody relays: no percent sign or exclamation mark, by which old mail
 * servers send on to somewhere else; nothing that a mail server's shell or file system gives a meaning to (| / \ `);
 * and no question mark, so no encoded word (RFC 2047).
 */
const LOCAL = /^[A-Za-z0-9_+][A-Za-z0-9._+'&~=-]*$/;
const GOOGLE = new Set(['gmail.com', 'googlemail.com']);

/** Null unless the text is one plain address, and nothing besides. */
export function parseRecipient(text: string): Recipient | null {
  if (!isEmailAddress(text)) return null;
  const [local = '', domain = ''] = text.split('@');
  if (!LOCAL.test(local)) return null;
  return { address: text, bucket: bucketOf(local, emailKeyOf(domain)) };
}

/** Tags (`name+tag@`) lead to the same person with most providers, and dots mean nothing at Google's. */
function bucketOf(local: string, domain: string): string {
  const name = emailKeyOf(local).replace(/(?<=.)\+.*$/, '');
  const isGoogle = GOOGLE.has(domain);
  const mailbox = isGoogle ? `${name.replaceAll('.', '')}@gmail.com` : `${name}@${domain}`;
  return createHash('sha256').update(mailbox).digest('base64url');
}

/** What a log may say of an address: enough to recognise it by, too little to write to. */
export function maskAddress(address: string): string {
  const [local = '', domain = ''] = address.split('@');
  const [tld = ''] = domain.split('.').slice(-1);
  return `${local.slice(0, 1)}***@${domain.slice(0, 1)}***.${tld}`;
}
