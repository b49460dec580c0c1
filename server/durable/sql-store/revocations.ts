import type { AccountStore, Revocation } from '../../auth/ports.ts';
import type { Pool } from '../pool.ts';

type Queries = Pick<Pool, 'query'>;

const REVOKE = { name: 'revoke_tokens', text: 'select revoke_tokens($1::json)' };

export async function revoke(queries: Queries, given: readonly Revocation[]): Promise<void> {
  if (given.length > 0) await queries.query(REVOKE, [JSON.stringify(rowsOf(given))]);
}

/** The SQL function takes each but once, and what is revoked twice is revoked as far as the two together say. */
function rowsOf(given: readonly Revocation[]): unknown[] {
  const rows = new Map<string, { kind: string; subject: string; not_before: number | null; expires_at: number }>();
  for (const { kind, subject, notBefore, expiresAt } of given) {
    const name = `${kind} ${subject}`;
    const before = rows.get(name);
    rows.set(name, {
      kind,
      subject,
      not_before: notBefore === null ? null : Math.max(notBefore, before?.not_before ?? notBefore),
      expires_at: Math.max(expiresAt, before?.expires_at ?? expiresAt),
    });
  }
  return [...rows.values()];
}

type Changes = Awaited<ReturnType<AccountStore['revocations']>>;

const CHANGES = { name: 'changed_revocations', text: 'select changed_revocations($1, $2) as changes' };

export async function revocations(queries: Queries, since: number | null, limit: number): Promise<Changes> {
  const [row] = await queries.query<{ changes: Changes }>(CHANGES, [since, limit]);
  if (row === undefined) throw new TypeError('changed_revocations gives one row');
  return row.changes;
}
