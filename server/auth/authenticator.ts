import { TandemError } from '../../protocol/errors.ts';
import { unauthenticated, type AccessTokens } from './access-tokens.ts';
import type { Identity } from './identity.ts';
import type { Revocations } from './revocations.ts';

export type AuthOutcome = 'accepted' | 'refused' | 'unavailable';

export interface AuthenticatorOptions {
  readonly tokens: Pick<AccessTokens, 'verify'>;
  readonly revocations: Pick<Revocations, 'isRevoked' | 'ensureFresh'>;
  /** `reason` is for the log, and for nobody who sent a token. */
  readonly onOutcome: (outcome: AuthOutcome, reason: string | null) => void;
}

/** Decides whether a token counts now, for both edges. */
export class Authenticator {
  readonly #options: AuthenticatorOptions;

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
  }

  /**
   * Whom the token speaks for. Rejects with `UNAUTHENTICATED`, in the same words whatever is wrong with it, or with
   * `UNAVAILABLE` when that cannot be told now.
   */
  async authenticate(token: string): Promise<Identity> {
    const { tokens, onOutcome } = this.#options;
    try {
      const identity = await tokens.verify(token);
      this.ensureCounts(identity);
      onOutcome('accepted', null);
      return identity;
    } catch (error) {
      const isRefused = error instanceof TandemError && error.code === 'UNAUTHENTICATED';
      onOutcome(isRefused ? 'refused' : 'unavailable', reasonOf(error));
      throw error;
    }
  }

  /**
   * That a token which was verified is still not revoked. Whoever begins to hold something for an identity asks this once
   * it would be told of revocations: one of the moment between is seen by neither otherwise.
   */
  ensureCounts(identity: Identity): void {
    const { revocations } = this.#options;
    // First: what is known to be revoked is refused also when nothing else can be told.
    if (revocations.isRevoked(identity)) throw unauthenticated('revoked');
    revocations.ensureFresh();
  }
}

function reasonOf(error: unknown): string | null {
  if (!(error instanceof TandemError)) return null;
  return error.cause instanceof Error ? error.cause.message : error.message;
}
