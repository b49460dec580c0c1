import { url } from './addresses.ts';
import { refuse, type Parse } from './parsed.ts';

const FLAGS = new Set(['requireTLS', 'ignoreTLS', 'tls.rejectUnauthorized']);
const WORDS = new Set(['tls.servername', 'name']);
const anyUrl = url('smtp', 'smtps');

/** A mail server, with its credentials and what belongs to the connection, and nothing that would be ignored. */
export const smtpUrl: Parse<string> = (text, context) => {
  const outcome = anyUrl(text, context);
  if (!outcome.ok) return outcome;
  const parsed = new URL(text);
  if (parsed.hostname === '' || parsed.port === '0' || !/^\/?$/.test(parsed.pathname) || parsed.hash !== '') {
    return refuse({ expected: 'a URL such as smtps://user:password@mail.example:465, without a path' });
  }
  if (!isEncoded(parsed.username) || !isEncoded(parsed.password)) {
    return refuse({ expected: 'user and password in percent-encoding', advice: 'write a % as %25' });
  }
  for (const [name, value] of parsed.searchParams) {
    const isKnown = FLAGS.has(name) ? value === 'true' || value === 'false' : WORDS.has(name) && value !== '';
    if (isKnown) continue;
    const known = `${[...FLAGS].join('=, ')}= (true or false) or ${[...WORDS].join('=, ')}=`;
    return refuse({ expected: `no other options than ${known}`, advice: 'remove what stands behind the ? besides' });
  }
  return outcome;
};

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    // A % that encodes nothing.
    return false;
  }
}
