import type { Credentials, NewAccount, NewLogin, PasswordChange } from '../../auth/ports.ts';
import type { Pool } from '../pool.ts';
import { isUuid } from '../stored-rows.ts';
import { loginJson } from './logins.ts';

type Queries = Pick<Pool, 'query'>;

const REGISTER = { name: 'register_user', text: 'select register_user($1::json, $2::json) as made' };

export async function register(queries: Queries, account: NewAccount, login: NewLogin): Promise<boolean> {
  const { id, email, emailKey, name, passwordHash, now } = account;
  const json = JSON.stringify({ id, email, email_key: emailKey, name, password_hash: passwordHash, now });
  const [row] = await queries.query<{ made: boolean }>(REGISTER, [json, loginJson(login)]);
  return row?.made === true;
}

interface UserRow {
  id: string;
  email: string;
  name: string | null;
  passwordHash: string;
  createdAt: number;
}

const USER = `
  select id, email, name, password_hash as "passwordHash", (extract(epoch from created_at) * 1000)::bigint as "createdAt"
  from users`;
const FIND_BY_EMAIL = { name: 'find_by_email', text: `${USER} where email_key = $1` };
const FIND_USER = { name: 'find_user', text: `${USER} where id = $1` };

export async function findByEmail(queries: Queries, emailKey: string): Promise<Credentials | null> {
  return credentials(await queries.query<UserRow>(FIND_BY_EMAIL, [emailKey]));
}

export async function findUser(queries: Queries, userId: string): Promise<Credentials | null> {
  return isUuid(userId) ? credentials(await queries.query<UserRow>(FIND_USER, [userId])) : null;
}

function credentials([row]: UserRow[]): Credentials | null {
  if (row === undefined) return null;
  const { passwordHash, ...user } = row;
  return { user, passwordHash };
}

const COUNT_USERS = { name: 'count_users', text: 'select count(*) as users from users' };

export async function countUsers(queries: Queries): Promise<number> {
  const [row] = await queries.query<{ users: number }>(COUNT_USERS, []);
  return row?.users ?? 0;
}

const CHANGE_PASSWORD = { name: 'change_password', text: 'select change_password($1, $2, $3, $4, $5, $6) as ended' };

export async function changePassword(queries: Queries, change: PasswordChange): Promise<string[] | null> {
  const { userId, knownHash, nextHash, keep, now, revokedUntil } = change;
  if (!isUuid(userId)) return null;
  const values = [userId, knownHash, nextHash, isUuid(keep) ? keep : null, now, revokedUntil];
  const [row] = await queries.query<{ ended: string[] | null }>(CHANGE_PASSWORD, values);
  return row?.ended ?? null;
}

const DELETE_USER = { name: 'delete_user', text: 'select delete_user($1, $2, $3)' };

export async function deleteUser(queries: Queries, subject: string, now: number, revokedUntil: number): Promise<void> {
  await queries.query(DELETE_USER, [subject, now, revokedUntil]);
}
