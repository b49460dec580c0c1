import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { v7 as uuidv7 } from 'uuid';
import { TandemError } from '../../protocol/errors.ts';
import type { Identity } from './identity.ts';
import { MemoryAccounts } from './memory-accounts.conformance.ts';
import type { FeedReading, Revocation, RevocationFeed } from './ports.ts';
import { concerns, RevocationCopy } from './revocation-copy.ts';
import { Revocations } from './revocations.ts';

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;

function identity(own: Partial<Identity> = {}): Identity {
  const base = { userId: 'user', kind: 'own', loginId: 'login', tokenId: 'token' } as const;
  return { ...base, issuedAt: NOW - 1000, expiresAt: NOW + HOUR, ...own };
}

function endOf(kind: 'login' | 'token', subject: string, expiresAt = NOW + HOUR): Revocation {
  return { kind, subject, notBefore: null, expiresAt };
}

function endOfUser(notBefore = NOW, subject = 'user'): Revocation {
  return { kind: 'user', subject, notBefore, expiresAt: NOW + HOUR };
}

describe('the copy of revocations', () => {
  it('refuses the tokens of a login, one token, and those of a user until a moment', () => {
    for (const revocation of [endOf('login', 'login'), endOf('token', 'token'), endOfUser()]) {
      const copy = new RevocationCopy();
      copy.apply([revocation], NOW);
      expect(copy.isRevoked(identity())).toBe(true);
      expect(concerns(revocation, identity())).toBe(true);
      const other = identity({ userId: 'other', loginId: 'other', tokenId: 'other' });
      expect(copy.isRevoked(other)).toBe(false);
      expect(concerns(revocation, other)).toBe(false);
    }
  });

  it('accepts what was issued to the user after it, a millisecond being enough', () => {
    const copy = new RevocationCopy();
    copy.apply([endOfUser(NOW + 400)], NOW);
    expect(copy.isRevoked(identity({ issuedAt: NOW + 400 }))).toBe(true);
    expect(copy.isRevoked(identity({ issuedAt: NOW + 401 }))).toBe(false);
    // Of a foreign token only the second is known: of the two that it may be, the older one.
    expect(copy.isRevoked(identity({ kind: 'foreign', issuedAt: NOW }))).toBe(true);
    expect(copy.isRevoked(identity({ kind: 'foreign', issuedAt: NOW + 1000 }))).toBe(false);
  });

  it('only grows: an earlier word about a user takes nothing back', () => {
    const copy = new RevocationCopy();
    expect(copy.apply([endOfUser(NOW)], NOW)).toHaveLength(1);
    expect(copy.apply([endOfUser(NOW - 5000)], NOW)).toHaveLength(0);
    expect(copy.isRevoked(identity({ issuedAt: NOW }))).toBe(true);
  });

  it('tells the logins that began before their user was signed out', () => {
    const copy = new RevocationCopy();
    copy.apply([endOfUser(NOW)], NOW);
    expect(copy.isLoginRevoked(uuidv7({ msecs: NOW }), 'user')).toBe(true);
    expect(copy.isLoginRevoked(uuidv7({ msecs: NOW + 1 }), 'user')).toBe(false);
    expect(copy.isLoginRevoked(uuidv7({ msecs: NOW }), 'other')).toBe(false);
  });

  it('lets go of what has expired', () => {
    const copy = new RevocationCopy();
    copy.apply([endOf('login', 'a', NOW + 1), endOf('token', 'b'), endOfUser()], NOW);
    copy.expire(NOW + 1);
    expect(copy.size).toBe(2);
    copy.expire(NOW + HOUR);
    expect(copy.size).toBe(0);
  });

  it('beyond its bound refuses everything of before, and nothing of after', () => {
    const copy = new RevocationCopy(100);
    const many = Array.from({ length: 101 }, (_, number) => endOf('login', String(number)));
    copy.apply(many, NOW);
    expect(copy.size).toBeLessThanOrEqual(30);
    expect(copy.isRevoked(identity({ loginId: '0', issuedAt: NOW }))).toBe(true);
    expect(copy.isRevoked(identity({ loginId: 'of nobody who signed out', issuedAt: NOW }))).toBe(true);
    // A connection that stands on it is left alone.
    expect(copy.isNamed(identity({ loginId: 'of nobody who signed out', issuedAt: NOW }))).toBe(false);
    expect(copy.isRevoked(identity({ loginId: 'of nobody who signed out', issuedAt: NOW + 1 }))).toBe(false);
    expect(copy.isRevoked(identity({ loginId: '100', issuedAt: NOW + 1 }))).toBe(true);
  });
});

/** A feed that several instances share in this process; it can be away, and lose what it holds. */
class SharedFeed {
  isAway = false;
  refusesToPublish = false;
  epoch = 'first';
  held: Revocation[] = [];
  pushes = true;
  readonly #listeners: ((revocations: readonly Revocation[]) => void)[] = [];

  readonly feed: RevocationFeed = {
    publish: (revocations) =>
      this.#answer(() => {
        if (this.refusesToPublish) throw new TandemError('UNAVAILABLE');
        this.held.push(...revocations);
        if (this.pushes) for (const listener of this.#listeners) listener(revocations);
        return true;
      }),
    changes: () => this.#answer<FeedReading>(() => ({ revocations: [...this.held], asOf: 1, epoch: this.epoch })),
    onPublished: (listener) => void this.#listeners.push(listener),
  };

  lose(): void {
    this.held = [];
    this.epoch = `after ${this.epoch}`;
  }

  #answer<T>(work: () => T): Promise<T> {
    if (this.isAway) return Promise.reject(new TandemError('UNAVAILABLE', 'The feed of this test is away.'));
    return new Promise((resolve) => resolve(work()));
  }
}

describe('an instance', () => {
  let store: MemoryAccounts;
  let shared: SharedFeed;
  let clock: number;
  let now: number;
  let running: Revocations[];

  beforeEach(() => {
    store = new MemoryAccounts();
    shared = new SharedFeed();
    clock = 0;
    now = NOW;
    running = [];
  });

  afterEach(() => Promise.all(running.map((revocations) => revocations.stop())));

  async function instance(): Promise<Revocations> {
    const revocations = new Revocations({
      ...{ store, feed: shared.feed, now: () => now, monotonic: () => clock, onFault: () => undefined },
    });
    running.push(revocations);
    await revocations.start();
    return revocations;
  }

  const isFresh = (revocations: Revocations) => expect(() => revocations.ensureFresh()).not.toThrow();
  const isStale = (revocations: Revocations) =>
    expect(() => revocations.ensureFresh()).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));

  it('knows all that counts before it is ready, page by page, and does not start without the database', async () => {
    const many = Array.from({ length: 5001 }, (_, number) => endOf('login', String(number)));
    await store.revoke(many);
    const one = await instance();
    expect(one.activeCount).toBe(5001);
    expect(one.isRevoked(identity({ loginId: '5000' }))).toBe(true);
    store.isAway = true;
    await expect(instance()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('hears of a revocation elsewhere by the push, and tells its listeners once', async () => {
    const [one, other] = [await instance(), await instance()];
    const told: string[] = [];
    other.onRevoked((revocations) => told.push(...revocations.map(({ subject }) => subject)));
    expect(await one.revoke([endOf('login', 'login')])).toBe('stored');
    expect(one.isRevoked(identity())).toBe(true);
    expect(other.isRevoked(identity())).toBe(true);
    await other.readFeed();
    await other.readStore();
    expect(told).toEqual(['login']);
  });

  it('hears of it without the push by the feed, and without the feed by the database', async () => {
    const [one, other] = [await instance(), await instance()];
    shared.pushes = false;
    await one.announce([endOf('login', 'announced')]);
    expect(other.isRevoked(identity({ loginId: 'announced' }))).toBe(false);
    await other.readFeed();
    expect(other.isRevoked(identity({ loginId: 'announced' }))).toBe(true);
    shared.isAway = true;
    expect(await one.revoke([endOf('login', 'stored')])).toBe('stored');
    await expect(other.readFeed()).rejects.toThrow();
    await other.readStore();
    expect(other.isRevoked(identity({ loginId: 'stored' }))).toBe(true);
  });

  it('accepts no token when it could not read for 5 s', async () => {
    const one = await instance();
    store.isAway = true;
    shared.isAway = true;
    await one.revoke([endOf('login', 'login')]).catch(() => undefined);
    clock = 5000;
    isFresh(one);
    clock = 5001;
    isStale(one);
    // What it knows, it knows.
    expect(one.isRevoked(identity())).toBe(true);
    shared.isAway = false;
    await one.readFeed();
    isFresh(one);
    clock = 20_000;
    shared.isAway = true;
    store.isAway = false;
    await one.readStore();
    isFresh(one);
  });

  it('does not rely on a feed that lost something before it has read the database', async () => {
    const [one, other] = [await instance(), await instance()];
    shared.pushes = false;
    await one.revoke([endOf('login', 'before')]);
    await one.readFeed();
    shared.lose();
    store.isAway = true;
    clock = 6000;
    await expect(other.readFeed()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    isStale(other);
    // What was applied once stays.
    expect(one.isRevoked(identity({ loginId: 'before' }))).toBe(true);
    store.isAway = false;
    await other.readFeed();
    isFresh(other);
    expect(other.isRevoked(identity({ loginId: 'before' }))).toBe(true);
  });

  it('revokes while the database is away, and tells it later', async () => {
    const [one, other] = [await instance(), await instance()];
    store.isAway = true;
    expect(await one.revoke([endOf('login', 'login')])).toBe('kept');
    expect(other.isRevoked(identity())).toBe(true);
    await expect(one.writePending()).rejects.toThrow();
    expect(store.kept.size).toBe(0);
    store.isAway = false;
    await one.writePending();
    expect([...store.kept.keys()]).toEqual(['login login']);
    store.calls.length = 0;
    await one.writePending();
    expect(store.calls).toEqual([]);
  });

  it('publishes again what only the feed had, when the feed lost it', async () => {
    const one = await instance();
    store.isAway = true;
    await one.revoke([endOf('login', 'login')]);
    shared.lose();
    await one.readFeed().catch(() => undefined);
    expect(shared.held).toEqual([endOf('login', 'login')]);
  });

  it('answers that it could not, when neither takes the revocation; it counts here all the same', async () => {
    const one = await instance();
    store.isAway = true;
    shared.isAway = true;
    await expect(one.revoke([endOf('login', 'login')])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(one.isRevoked(identity())).toBe(true);
    store.isAway = false;
    await one.stop();
    expect(store.kept.size).toBe(1);
  });

  it('takes no more than it can keep for the database; what is more counts everywhere all the same', async () => {
    const [one, other] = [await instance(), await instance()];
    store.isAway = true;
    for (let number = 0; number < 1000; number += 1) await one.revoke([endOf('login', String(number))]);
    await expect(one.revoke([endOf('login', 'login')])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(one.isRevoked(identity())).toBe(true);
    expect(other.isRevoked(identity())).toBe(true);
    store.calls.length = 0;
    // It does not answer: one try tells that.
    await expect(one.writePending()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(store.calls).toEqual(['revoke']);
  });

  it('tells the database what the feed had from an instance that is no more', async () => {
    const [one, other] = [await instance(), await instance()];
    store.isAway = true;
    await one.revoke([endOf('login', 'of one'), endOfUser()]);
    store.isAway = false;
    await other.announce([endOf('login', 'of other')]);
    await other.readStore();
    // It may be on its way.
    expect(store.kept.size).toBe(0);
    clock = 10_000;
    await other.readStore();
    expect([...store.kept.keys()]).toEqual(['login of one', 'user user']);
    store.calls.length = 0;
    clock = 20_000;
    await other.readStore();
    expect(store.calls).not.toContain('revoke');
  });

  it('has the database keep what the feed has for as long as the feed, also when it was away for longer than tokens live', async () => {
    const [one, other] = [await instance(), await instance()];
    store.isAway = true;
    const written: string[] = [];
    const write = () =>
      store.isAway ? Promise.reject(new TandemError('UNAVAILABLE')) : Promise.resolve(written.push(''));
    expect(await one.revoke([endOf('login', 'login', NOW + 1)], write)).toBe('kept');
    await one.extend([endOf('login', 'login', NOW + 7 * 24 * HOUR)]);
    store.isAway = false;
    clock = 10_000;
    await other.readStore();
    expect([...store.kept.values()]).toEqual([endOf('login', 'login', NOW + 7 * 24 * HOUR)]);
    now = NOW + HOUR;
    await one.writePending();
    expect(written).toHaveLength(1);
  });

  it('publishes later what it could not, before anybody goes by the feed alone', async () => {
    const [one, other] = [await instance(), await instance()];
    shared.isAway = true;
    expect(await one.revoke([endOf('login', 'login')])).toBe('stored');
    await one.announce([endOf('login', 'announced')]);
    shared.isAway = false;
    store.isAway = true;
    await one.readFeed();
    for (const loginId of ['login', 'announced']) expect(other.isRevoked(identity({ loginId }))).toBe(true);
    shared.held = [];
    await one.readFeed();
    expect(shared.held).toEqual([]);
  });

  it('publishes again what the feed lost until all of it is published', async () => {
    const one = await instance();
    store.isAway = true;
    await one.revoke([endOf('login', 'login')]);
    shared.lose();
    shared.refusesToPublish = true;
    await expect(one.readFeed()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    shared.refusesToPublish = false;
    await one.readFeed().catch(() => undefined);
    expect(shared.held).toEqual([endOf('login', 'login')]);
  });

  it('says once that the database fails, and once that it works again, whatever is asked of it', async () => {
    const said: string[] = [];
    const one = new Revocations({
      ...{ store, feed: shared.feed, now: () => now, monotonic: () => clock },
      onStoreTurn: (isWell, error) => said.push(isWell ? 'well' : `failed: ${error instanceof Error}`),
      onFault: (_error, source) => said.push(source),
    });
    running.push(one);
    await one.start();
    store.isAway = true;
    await one.revoke([endOf('login', 'login')]);
    for (let n = 0; n < 3; n += 1) {
      await expect(one.readStore()).rejects.toThrow();
      await expect(one.writePending()).rejects.toThrow();
    }
    expect(said).toEqual(['failed: true']);
    store.isAway = false;
    await one.readStore();
    // What it did not take is not there yet.
    expect(said).toEqual(['failed: true']);
    await one.writePending();
    await one.readStore();
    expect(said).toEqual(['failed: true', 'well']);
  });

  it('does not take a feed that is away for a database that is', async () => {
    const said: string[] = [];
    const one = new Revocations({
      ...{ store, feed: shared.feed, now: () => now, monotonic: () => clock },
      onStoreTurn: () => said.push('store'),
      onFault: (_error, source) => said.push(source),
    });
    running.push(one);
    await one.start();
    shared.isAway = true;
    await expect(one.readFeed()).rejects.toThrow();
    await one.revoke([endOf('login', 'login')]);
    await one.readStore();
    expect(said).toEqual(['feed', 'feed']);
    // Reading it anew takes the database, which is another matter.
    shared.isAway = false;
    shared.lose();
    store.isAway = true;
    await expect(one.readFeed()).rejects.toThrow();
    expect(said).toEqual(['feed', 'feed', 'store']);
  });

  it('tells the database nothing that it has', async () => {
    const [one, other] = [await instance(), await instance()];
    await one.revoke([endOf('login', 'login'), endOfUser(NOW)]);
    await other.readStore();
    store.calls.length = 0;
    clock = 20_000;
    await other.readStore();
    expect(store.calls).not.toContain('revoke');
    // The record has an earlier word about this user.
    store.isAway = true;
    await one.revoke([endOfUser(NOW + 5)]);
    store.isAway = false;
    clock = 40_000;
    await other.readStore();
    expect(store.calls).toContain('revoke');
  });
});
