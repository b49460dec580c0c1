import { z } from 'zod';

/** What an invitation is filled with, as it waits in the queue. */
export const INVITATION = z.object({
  code: z.string(),
  /** Unix milliseconds. After that an invitation leads nowhere. */
  codeExpiresAt: z.number(),
  /** Where browsers reach the server, without a slash at the end. */
  origin: z.string(),
  note: z.string().nullable(),
});

export type Invitation = z.output<typeof INVITATION>;

/** A code as people read it: groups of three and four, as the pages show it. */
export function shownForm(code: string): string {
  const longer = (code.length % 3) * 4;
  const groups = code.slice(0, longer).replace(/.{4}/g, '$&-') + code.slice(longer).replace(/.{3}/g, '$&-');
  return groups.replace(/-$/, '');
}

/** The link that joins, as the pairing page reads it: browsers send what stands behind the # to nobody. */
export function invitationLink({ origin, code }: Pick<Invitation, 'origin' | 'code'>): string {
  return `${origin}/#${shownForm(code)}`;
}
