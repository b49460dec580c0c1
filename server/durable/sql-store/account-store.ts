import type { AccountStore } from '../../auth/ports.ts';
import type { Pool } from '../pool.ts';
import { changePassword, countUsers, deleteUser, findByEmail, findUser, register } from './accounts.ts';
import { beginLogin, endLogins, loginEndsAt, logins, refreshLogin } from './logins.ts';
import { revocations, revoke } from './revocations.ts';

/** Over a connection to Postgres and over functions of a Supabase project alike. */
export function createAccountStore(queries: Pick<Pool, 'query'>): AccountStore {
  return {
    register: (account, login) => register(queries, account, login),
    findByEmail: (emailKey) => findByEmail(queries, emailKey),
    findUser: (userId) => findUser(queries, userId),
    countUsers: () => countUsers(queries),
    beginLogin: (login, knownHash) => beginLogin(queries, login, knownHash),
    refreshLogin: (request) => refreshLogin(queries, request),
    logins: (userId, now, limit) => logins(queries, userId, now, limit),
    loginEndsAt: (loginId, now) => loginEndsAt(queries, loginId, now),
    endLogins: (request) => endLogins(queries, request),
    changePassword: (change) => changePassword(queries, change),
    deleteUser: (subject, now, revokedUntil) => deleteUser(queries, subject, now, revokedUntil),
    revoke: (given) => revoke(queries, given),
    revocations: (since, limit) => revocations(queries, since, limit),
  };
}
