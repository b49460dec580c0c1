import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Identity } from '../auth/identity.ts';
import { refreshToken } from './commands/refresh-token.ts';
import { Connection, type TandemSocket } from './connection.ts';
import { SignedIn, type SignedInOptions } from './signed-in.ts';

const HOUR = 3_600_000;
const LOGIN_TTL = 24 * HOUR;
const START = 1_800_000_000_000;

let now: number;
let connections: Connection[];
let ended: [string, string][];
let asked: number;
let endsAt: number | null;
let revoked: Identity | null;

beforeEach(() => {
  now = START;
  connections = [];
  ended = [];
  asked = 0;
  endsAt = null;
  revoked = null;
});

function identityOf(kind: Identity['kind'], expiresAt = START + HOUR): Identity {
  return { kind, userId: 'ann', loginId: 'login', tokenId: `${Math.random()}`, issuedAt: START, expiresAt };
}

function connect(identity: Identity | null): Connection {
  // Nothing is sent on it.
  const socket = { id: `connection-${connections.length}`, conn: {} } as unknown as TandemSocket;
  const connection = new Connection(socket, { address: '192.0.2.1', bucket: '192.0.2.1' }, START);
  connection.identity = identity;
  connections.push(connection);
  return connection;
}

function signedIn(own: Partial<SignedInOptions> = {}): SignedIn {
  return new SignedIn({
    rooms: {
      connections: () => connections,
      end: (connection, reason) => {
        connection.closing = reason;
        ended.push([connection.id, reason]);
      },
    },
    authenticate: () => Promise.resolve(identityOf('own')),
    isRevoked: (identity) => identity === revoked,
    loginEndsAt: () => {
      asked += 1;
      return Promise.resolve(endsAt);
    },
    loginTtlMs: LOGIN_TTL,
    now: () => now,
    onError: (error) => {
      throw error;
    },
    ...own,
  });
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('connections under a token of our own', () => {
  it('outlive it, and end with their login, all of them at once', async () => {
    const identity = identityOf('own');
    const all = signedIn();
    for (let n = 0; n < 3; n += 1) connect(identity);
    connect(null);
    now = START + LOGIN_TTL - 1;
    all.look();
    await settled();
    expect([asked, ended]).toEqual([0, []]);
    now = START + LOGIN_TTL;
    all.look();
    await settled();
    expect(asked).toBe(1);
    expect(ended).toEqual([0, 1, 2].map((n) => [`connection-${n}`, 'revoked']));
  });

  it('go on as long as the login is used', async () => {
    const all = signedIn();
    connect(identityOf('own'));
    now = START + LOGIN_TTL;
    endsAt = now + HOUR;
    all.look();
    await settled();
    now = endsAt - 1;
    all.look();
    await settled();
    expect([asked, ended]).toEqual([1, []]);
    now = endsAt;
    endsAt = null;
    all.look();
    await settled();
    expect([asked, ended.length]).toEqual([2, 1]);
  });

  it('stay when nobody can tell whether the login has ended, and are looked at again', async () => {
    const errors: unknown[] = [];
    const loginEndsAt = () => {
      asked += 1;
      return Promise.reject(new Error('away'));
    };
    const all = signedIn({ loginEndsAt, onError: (error) => errors.push(error) });
    connect(identityOf('own'));
    now = START + LOGIN_TTL;
    all.look();
    all.look();
    await settled();
    now += 60_000;
    all.look();
    await settled();
    expect([asked, errors.length, ended]).toEqual([2, 2, []]);
  });

  it('end when it is revoked', () => {
    const connection = connect((revoked = identityOf('own')));
    connect(identityOf('own'));
    signedIn().look();
    expect(ended).toEqual([[connection.id, 'revoked']]);
  });
});

describe('connections under a foreign token', () => {
  it('end a minute after it, unless they were given another', async () => {
    const all = signedIn({ authenticate: () => Promise.resolve(identityOf('foreign', START + 2 * HOUR)) });
    const [left, kept] = [connect(identityOf('foreign')), connect(identityOf('foreign'))];
    now = START + HOUR + 59_999;
    all.look();
    await all.refresh(kept, 'fresh');
    now += 1;
    all.look();
    expect(ended).toEqual([[left.id, 'revoked']]);
    now = START + 2 * HOUR + 60_000;
    all.look();
    expect(ended).toHaveLength(2);
  });
});

describe('auth:refresh', () => {
  const seat = { sessionId: 'session', seatId: 'seat', generation: 1 };
  const course = {
    ...{ hasWithdrawn: false, extend: () => undefined, span: null },
    awaitHost: () => new AbortController().signal,
  };

  async function refresh(connection: Connection, own: Partial<SignedInOptions> = {}, isStateAway = false) {
    const noted: unknown[] = [];
    const sessions = {
      noteActivity: (active: unknown) => {
        noted.push(active);
        return isStateAway ? Promise.reject(new Error('the state is away')) : Promise.resolve();
      },
    };
    const command = refreshToken({ signedIn: signedIn(own), sessions });
    await command.run(connection, { token: 'fresh' }, course);
    return noted;
  }

  it('is an activity of who holds a seat, and of nobody else', async () => {
    const connection = connect(identityOf('own'));
    expect(await refresh(connection)).toEqual([]);
    connection.seat = seat;
    expect(await refresh(connection)).toEqual([seat]);
  });

  it('goes on under the fresh token when the session cannot hear of it', async () => {
    const [fresh, connection] = [identityOf('own'), connect(identityOf('own'))];
    connection.seat = seat;
    expect(await refresh(connection, { authenticate: () => Promise.resolve(fresh) }, true)).toEqual([seat]);
    expect(connection.identity).toBe(fresh);
  });
});
