/** Every method of the ports of accounts and mails, each as a call: for what all of them do alike. */
import { randomUUID } from 'node:crypto';
import type { AccountStore } from '../../auth/ports.ts';
import type { MailQueue } from '../../sessions/ports.ts';
import { newAccount, newLogin, refreshOf } from './accounts-stage.conformance.ts';
import { newMail } from './mails.conformance.ts';

type Calls = [string, () => Promise<unknown>][];

export function accountCalls(accounts: AccountStore): Calls {
  const [userId, account] = [randomUUID(), newAccount()];
  const end = { userId, loginIds: null, keep: null, reason: 'logout_all', now: 0, revokedUntil: 1 } as const;
  const change = { userId, knownHash: 'known', nextHash: 'next', keep: userId, now: 0, revokedUntil: 1 };
  return [
    ['register', () => accounts.register(account, newLogin(account.id))],
    ['findByEmail', () => accounts.findByEmail('ada@example.org')],
    ['findUser', () => accounts.findUser(userId)],
    ['countUsers', () => accounts.countUsers()],
    ['beginLogin', () => accounts.beginLogin(newLogin(userId), '$argon2id$1')],
    ['refreshLogin', () => accounts.refreshLogin(refreshOf('token'))],
    ['logins', () => accounts.logins(userId, 0, 1)],
    ['loginEndsAt', () => accounts.loginEndsAt(userId, 0)],
    ['endLogins', () => accounts.endLogins(end)],
    ['changePassword', () => accounts.changePassword(change)],
    ['deleteUser', () => accounts.deleteUser(userId, 0, 1)],
    ['revoke', () => accounts.revoke([{ kind: 'login', subject: userId, notBefore: null, expiresAt: 1 }])],
    ['revocations', () => accounts.revocations(null, 1)],
  ];
}

export function mailCalls(mailQueue: MailQueue): Calls {
  return [
    ['enqueue', () => mailQueue.enqueue(newMail())],
    ['take', () => mailQueue.take(0, 1, 1)],
    ['settle', () => mailQueue.settle([{ id: randomUUID(), attempts: 1, kind: 'sent' }], 0)],
    ['counts', () => mailQueue.counts()],
  ];
}
