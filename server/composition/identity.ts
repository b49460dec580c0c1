/** Builds what knows users: tokens, accounts, and what was revoked. A part of the composition root. */
import { AccessTokens } from '../auth/access-tokens.ts';
import { AccountService } from '../auth/account-service.ts';
import { Authenticator } from '../auth/authenticator.ts';
import { developmentSecret } from '../auth/development-secret.ts';
import { ForeignIssuer } from '../auth/foreign-issuer.ts';
import { LoginThrottle } from '../auth/login-throttle.ts';
import { PasswordRules } from '../auth/password-rules.ts';
import { Passwords } from '../auth/passwords.ts';
import type { AccountStore, RevocationFeed } from '../auth/ports.ts';
import { RevocationTerms } from '../auth/revocation-terms.ts';
import { Revocations } from '../auth/revocations.ts';
import { SignOut } from '../auth/sign-out.ts';
import { Webhook } from '../auth/webhook.ts';
import type { Cache } from '../cache/cache.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../observability/logger.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { ConnectionIdentities } from '../realtime/signed-in.ts';

export interface IdentityParts {
  config: Config;
  accounts: AccountStore;
  feed: RevocationFeed;
  cache: Cache;
  now: () => number;
  logger: Logger;
  metrics: Metrics;
}

export interface IdentityRoom {
  readonly authenticator: Authenticator;
  readonly accounts: AccountService;
  readonly signOut: SignOut;
  readonly webhook: Webhook;
  readonly revocations: Revocations;
  /** What connections ask. */
  readonly forConnections: ConnectionIdentities;
  stop(): Promise<void>;
}

/** Resolves when all that is revoked is known. */
export async function openIdentity(parts: IdentityParts): Promise<IdentityRoom> {
  const { config, accounts: store, feed, cache, now, logger, metrics } = parts;
  const { jwtSecrets, issuer, audience, accessTokenTtlMs: ttlMs, refreshTokenTtlMs: refreshTtlMs } = config.auth;
  const tokens = new AccessTokens({
    secrets: jwtSecrets.length > 0 ? jwtSecrets : [await developmentSecret(config.dataDir)],
    ...{ issuer, audience, ttlMs, now },
    foreign: foreignIssuers(config, now),
    accounts: store,
  });
  const terms = new RevocationTerms({ lifeMs: tokens.lifeMs, now });
  const revocations = new Revocations({
    ...{ store, feed, now },
    onStoreTurn: (isWell, error) => {
      if (isWell) logger.warn('db_recovered', { reason: 'revocations' });
      else logger.warn('db_error', { error, reason: 'revocations' });
    },
    onFault: (error, source) => {
      // Of a feed that cannot be reached `redis_lost` tells, once.
      if (source === 'feed') logger.debug('internal_error', { error, reason: 'revocation_feed' });
      else logger.error('internal_error', { error, reason: 'revocations' });
    },
    onMade: ({ kind }) => {
      metrics.revocation();
      logger.info('token_revoked', { reason: kind });
    },
  });
  metrics.observe({ revocationsActive: () => revocations.activeCount });
  const authenticator = new Authenticator({
    ...{ tokens, revocations },
    // What can't be told is no verdict.
    onOutcome: (outcome) => {
      if (outcome !== 'unavailable') metrics.auth(outcome === 'accepted' ? 'ok' : 'rejected');
    },
  });
  const passwords = new Passwords();
  const accounts = new AccountService({
    ...{ store, cache, tokens, revocations, terms, refreshTtlMs, now },
    passwords,
    rules: PasswordRules.load(),
    throttle: new LoginThrottle({ now }),
    registrationOpen: config.auth.registrationOpen,
    onReuse: () => logger.warn('security_event', { reason: 'refresh_token_reused' }),
  });
  const signOut = new SignOut({ ...{ store, revocations, cache, terms, refreshTtlMs, now } });
  await revocations.start();
  return {
    authenticator,
    accounts,
    signOut,
    webhook: new Webhook({
      ...{ signOut, now },
      secret: config.webhookSecret,
    }),
    revocations,
    forConnections: {
      authenticate: (token) => authenticator.authenticate(token),
      ensureCounts: (identity) => authenticator.ensureCounts(identity),
      isRevoked: (identity) => revocations.isNamed(identity),
      loginEndsAt: async ({ loginId }) => (loginId === null ? null : store.loginEndsAt(loginId, now())),
    },
    stop: async () => {
      await Promise.all([revocations.stop(), passwords.close()]);
    },
  };
}

function foreignIssuers(config: Config, now: () => number): ForeignIssuer[] {
  const { issuer, audience, jwksUrl, supabaseUrl } = config.auth;
  const issuers: ForeignIssuer[] = [];
  if (jwksUrl !== null) issuers.push(new ForeignIssuer({ issuer, audience, jwksUrl, now }));
  if (supabaseUrl !== null) issuers.push(ForeignIssuer.ofSupabase(supabaseUrl, now));
  return issuers;
}
