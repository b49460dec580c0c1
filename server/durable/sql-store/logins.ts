import { TandemError } from '../../../protocol/errors.ts';
import type { EndLoginsRequest, Login, NewLogin, RefreshRequest, RefreshResult } from '../../auth/ports.ts';
import type { Pool } from '../pool.ts';
import { isUuid } from '../stored-rows.ts';

type Queries = Pick<Pool, 'query'>;

/** The parameter of the SQL functions that begin a login. */
export function loginJson({ id, userId, tokenHash, ip, userAgent, now, expiresAt }: NewLogin): string {
  const agent = { ip, user_agent: userAgent };
  return JSON.stringify({ id, user_id: userId, token_hash: tokenHash, ...agent, now, expires_at: expiresAt });
}

/**
 * The user is held until the login stands: an account may go, or get another password, in the moment in which someone
 * signs in.
 */
const BEGIN_LOGIN = {
  name: 'begin_login',
  text: `
    with owner as materialized (select id from users where id = $2 and password_hash = $3 for share)
    select begin_login($1::json), id from owner`,
};

export async function beginLogin(queries: Queries, login: NewLogin, knownHash: string): Promise<void> {
  const values = [loginJson(login), login.userId, knownHash];
  const rows = isUuid(login.userId) ? await queries.query(BEGIN_LOGIN, values) : [];
  if (rows.length === 0) throw new TandemError('INVALID_CREDENTIALS');
}

const REFRESH_LOGIN = {
  name: 'refresh_login',
  text: 'select outcome as kind, login_id as "loginId", user_id as "userId" from refresh_login($1::json)',
};

export async function refreshLogin(queries: Queries, request: RefreshRequest): Promise<RefreshResult> {
  const { tokenHash, nextHash, ip, userAgent, now, expiresAt, revokedUntil } = request;
  const json = JSON.stringify({
    token_hash: tokenHash,
    next_hash: nextHash,
    now,
    expires_at: expiresAt,
    ip,
    user_agent: userAgent,
    revoked_until: revokedUntil,
  });
  const [row] = await queries.query<RefreshResult>(REFRESH_LOGIN, [json]);
  // The row names the login of an unknown token too: one that is known, and expired.
  return row === undefined || row.kind === 'unknown' ? { kind: 'unknown' } : row;
}

const LOGINS = {
  name: 'logins',
  text: `
    select id, ip, user_agent as "userAgent", (extract(epoch from created_at) * 1000)::bigint as "createdAt",
      (extract(epoch from last_used_at) * 1000)::bigint as "lastUsedAt"
    from logins
    where user_id = $1 and ended_at is null and expires_at > to_timestamp($2 / 1000.0)
    order by last_used_at desc limit $3`,
};

export async function logins(queries: Queries, userId: string, now: number, limit: number): Promise<Login[]> {
  return isUuid(userId) ? await queries.query<Login>(LOGINS, [userId, now, limit]) : [];
}

const LOGIN_ENDS_AT = {
  name: 'login_ends_at',
  text: `
    select (extract(epoch from expires_at) * 1000)::bigint as "endsAt"
    from logins where id = $1 and ended_at is null and expires_at > to_timestamp($2 / 1000.0)`,
};

export async function loginEndsAt(queries: Queries, loginId: string, now: number): Promise<number | null> {
  const rows = isUuid(loginId) ? await queries.query<{ endsAt: number }>(LOGIN_ENDS_AT, [loginId, now]) : [];
  return rows[0]?.endsAt ?? null;
}

const END_LOGINS = { name: 'end_logins', text: 'select end_logins($1, $2, $3, $4, $5, $6) as id' };

export async function endLogins(queries: Queries, request: EndLoginsRequest): Promise<string[]> {
  const { userId, loginIds, keep, reason, now, revokedUntil } = request;
  if (!isUuid(userId)) return [];
  const chosen = loginIds === null ? null : loginIds.filter(isUuid);
  const kept = keep !== null && isUuid(keep) ? keep : null;
  const rows = await queries.query<{ id: string }>(END_LOGINS, [userId, chosen, kept, reason, now, revokedUntil]);
  return rows.map(({ id }) => id);
}
