const MOST_CHARACTERS = 200;

/** Controls, line and paragraph separators, unpaired surrogates, and what turns the direction of text around. */
const UNPRINTABLE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
/** What is not seen, and could hide in the middle of a link. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/gu;

/** What mail programs make a link of by themselves, whether it was meant as one or not. */
const LINKS = [
  /:\/\//,
  /\b(?:https?|ftp|file|data|javascript|mailto|sms|tel|xmpp|magnet):\S/i,
  /\bwww\./i,
  // Addresses of mail.
  /\S@\S/,
  // `example.com`, in any script; `3.50` and `e.g.` are none. So `end.Next` needs a space after its full stop.
  /[\p{L}\p{N}_-]\.\p{L}{2}/u,
  /[a-z0-9-][\u3002\uff61][a-z]{2}/i,
  /[\p{L}\p{N}]\.xn--/iu,
  /\b\d{1,3}(?:\.\d{1,3}){3}\b/,
  /\[[\da-f]*:[\da-f:.]*\]/i,
  // A percent sign may spell any of them.
  /%[\da-f]{2}/i,
];

/** Why a note cannot go with an invitation; null when it can. One line, without anything that becomes a link. */
export function noteIssue(note: string): string | null {
  if (Array.from(note).length > MOST_CHARACTERS) return `expected up to ${MOST_CHARACTERS} characters`;
  if (UNPRINTABLE.test(note)) return 'expected one line of text, without control characters';
  const seen = note.normalize('NFKC').replace(INVISIBLE, '');
  // As it was written too: what normalisation takes apart may have been a link before.
  if (LINKS.some((link) => link.test(seen) || link.test(note))) {
    return 'expected no links, and nothing that looks like one: put a space after a full stop';
  }
  return null;
}
