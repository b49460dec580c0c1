import { z } from 'zod';
import { TandemError } from '../../../protocol/errors.ts';
import type { AccountService, Device, Me, SignedIn } from '../../auth/account-service.ts';
import type { Identity } from '../../auth/identity.ts';
import type { SignOut } from '../../auth/sign-out.ts';
import { name, uuid } from '../../sessions/payloads.ts';
import { iso } from '../../sessions/iso.ts';
import { defineRoute, type ApiRequest, type ApiRoute } from './route.ts';

const time = z.string().meta({ format: 'date-time' });
/** What is wrong with an address or a new password in particular, the accounts say. */
const email = z.string().max(1024).meta({ format: 'email' });
const password = z.string().max(1024);
const newPassword = password.meta({ minLength: 8, maxLength: 200 });

const userShape = z
  .object({ id: z.string(), email: z.string().nullable(), name: z.string().nullable(), createdAt: time.nullable() })
  .meta({ id: 'User', description: 'A user of a foreign issuer has an id here, and nothing else' });

const pairShape = { accessToken: z.string(), refreshToken: z.string(), expiresInSeconds: z.int() };
const signedInShape = z.object({ user: userShape, ...pairShape });

export interface AccountRouteOptions {
  accounts: AccountService;
  signOut: SignOut;
}

/** Accounts and the devices on which they are signed in. */
export function accountRoutes({ accounts, signOut }: AccountRouteOptions): ApiRoute[] {
  return [
    defineRoute({
      method: 'POST',
      path: '/api/v1/auth/register',
      name: 'register',
      summary: 'Makes an account, and signs this device in',
      who: 'stranger',
      tier: 'auth',
      body: z.strictObject({ email, password: newPassword, name: name.optional() }),
      status: 201,
      answer: signedInShape,
      errors: ['EMAIL_TAKEN', 'FORBIDDEN'],
      handle: async ({ body, ...request }) =>
        signedInOf(await accounts.register({ ...body, name: body.name ?? null }, deviceOf(request))),
    }),
    defineRoute({
      method: 'POST',
      path: '/api/v1/auth/login',
      name: 'login',
      summary: 'Signs this device in',
      who: 'stranger',
      tier: 'auth',
      body: z.strictObject({ email, password }),
      answer: signedInShape,
      errors: ['INVALID_CREDENTIALS'],
      handle: async ({ body, ...request }) => signedInOf(await accounts.login(body, deviceOf(request))),
    }),
    defineRoute({
      method: 'POST',
      path: '/api/v1/auth/refresh',
      name: 'refresh',
      summary: 'A new pair of tokens for a refresh token, which counts for another 10 s',
      who: 'stranger',
      // A right token is no guess: devices behind one address would sign each other out.
      tier: 'caller_and_misses',
      body: z.strictObject({ refreshToken: z.string().min(1).max(1024) }),
      answer: z.object(pairShape),
      errors: ['UNAUTHENTICATED'],
      handle: async ({ body, ...request }) => pairOf(await accounts.refresh(body.refreshToken, deviceOf(request))),
    }),
    defineRoute({
      method: 'POST',
      path: '/api/v1/auth/logout',
      name: 'logout',
      summary: 'Ends this login: its tokens are revoked everywhere',
      who: 'user',
      handle: ({ caller }) => signOut.logout(identityOf(caller)),
    }),
    defineRoute({
      method: 'POST',
      path: '/api/v1/auth/logout-all',
      name: 'logoutAll',
      summary: 'Ends all logins of the user',
      who: 'user',
      handle: ({ caller }) => signOut.logoutAll(identityOf(caller)),
    }),
    defineRoute({
      method: 'POST',
      path: '/api/v1/auth/password',
      name: 'changePassword',
      summary: 'Changes the password, and ends all other logins',
      who: 'user',
      tier: 'auth',
      body: z.strictObject({ current: password, next: newPassword }),
      errors: ['INVALID_CREDENTIALS', 'FORBIDDEN'],
      handle: ({ caller, body }) => accounts.changePassword(identityOf(caller), body),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/v1/auth/me',
      name: 'whoAmI',
      summary: 'Who is signed in',
      who: 'user',
      answer: z.object({ user: userShape }),
      handle: async ({ caller }) => ({ user: userOf(await accounts.me(identityOf(caller))) }),
    }),
    defineRoute({
      method: 'GET',
      path: '/api/v1/auth/logins',
      name: 'listLogins',
      summary: 'Devices on which the user is signed in, the newest login first',
      who: 'user',
      answer: z.object({
        logins: z.array(
          z.object({
            id: z.string(),
            ip: z.string().nullable(),
            userAgent: z.string().nullable(),
            createdAt: time,
            lastUsedAt: time,
            current: z.boolean(),
          }),
        ),
        nextCursor: z.string().nullable(),
      }),
      handle: async ({ caller }) => {
        const logins = await accounts.logins(identityOf(caller));
        return {
          logins: logins.map(({ createdAt, lastUsedAt, ...login }) => ({
            ...login,
            createdAt: iso(createdAt),
            lastUsedAt: iso(lastUsedAt),
          })),
          nextCursor: null,
        };
      },
    }),
    defineRoute({
      method: 'DELETE',
      path: '/api/v1/auth/logins/{id}',
      name: 'endLogin',
      summary: 'Signs a device of the user out',
      who: 'user',
      params: z.object({ id: uuid.transform((id) => id.toLowerCase()) }),
      errors: ['UNKNOWN_COMMAND'],
      handle: async ({ caller, params }) => {
        if (await signOut.endLogin(identityOf(caller), params.id)) return;
        throw new TandemError('UNKNOWN_COMMAND', 'No device of yours is signed in under this id.');
      },
    }),
  ];
}

/** Routes for users are reached by nobody else. */
function identityOf({ identity }: { readonly identity: Identity | null }): Identity {
  if (identity === null) throw new TandemError('UNAUTHENTICATED');
  return identity;
}

function deviceOf({ caller, userAgent }: Pick<ApiRequest<unknown, unknown, unknown>, 'caller' | 'userAgent'>): Device {
  return { ip: caller.ip.address, userAgent };
}

function signedInOf({ user, ...pair }: SignedIn) {
  return { user: userOf(user), ...pairOf(pair) };
}

function pairOf({ accessToken, refreshToken, expiresInSeconds }: Omit<SignedIn, 'user'>) {
  return { accessToken, refreshToken, expiresInSeconds };
}

function userOf({ id, email: address, name: called, createdAt }: Me) {
  return { id, email: address, name: called, createdAt: createdAt === null ? null : iso(createdAt) };
}
