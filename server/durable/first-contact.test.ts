import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { externalPostgres } from '../../test/support/external-postgres.ts';
import { startPostgres, type PostgresServer } from '../../test/support/postgres-server.ts';
import { DatabaseStartError } from './database-start-error.ts';
import { contactPostgres } from './first-contact.ts';
import { connectPostgres } from './postgres.ts';

describe('first contact with a Postgres server', () => {
  let plain: PostgresServer;
  let secure: PostgresServer;
  beforeAll(async () => {
    [plain, secure] = await Promise.all([startPostgres(), startPostgres({ ssl: ['IP:127.0.0.1'] })]);
  }, 60_000);
  afterAll(() => Promise.all([plain.stop(), secure.stop()]));

  /** The line for the operator. */
  async function refusal(url: string, env: Record<string, string> = {}): Promise<string> {
    const error: unknown = await contactPostgres(externalPostgres(url, env), { patienceMs: 0 }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(DatabaseStartError);
    const { message } = error as DatabaseStartError;
    expect(message).not.toContain('\n');
    expect(message).not.toContain(new URL(url).password || 'no password');
    return message;
  }

  function changed(url: string, change: (url: URL) => void): string {
    const other = new URL(url);
    change(other);
    return other.href;
  }

  async function administer(...statements: string[]): Promise<void> {
    const client = new pg.Client(connectPostgres(externalPostgres(plain.url)).migrating);
    await client.connect();
    for (const statement of statements) await client.query(statement);
    await client.end();
  }

  it('is made at once with one that will do', async () => {
    expect(await contactPostgres(externalPostgres(plain.url))).toEqual({ attempts: 1 });
  });

  it('tells of a wrong password, and of one that is missing', async () => {
    const wrong = changed(plain.url, (url) => (url.password = 'wrong-password'));
    expect(await refusal(wrong)).toMatch(
      /^DATABASE_URL: the database at 127\.0\.0\.1:\d+ refused the password of the role "postgres" .*28P01/,
    );
    expect(await refusal(changed(plain.url, (url) => (url.password = '')))).toMatch(/asks for a password/);
  });

  it('tells of a database that does not exist', async () => {
    const message = await refusal(changed(plain.url, (url) => (url.pathname = '/elsewhere')));
    expect(message).toMatch(/has no database "elsewhere" .*3D000\); create it/);
  });

  it('tells of a role that may not connect, and of one that may not log in', async () => {
    const database = await plain.createDatabase();
    const name = new URL(database).pathname.slice(1);
    await administer(
      "create role nobody_special login password 'special-password'",
      "create role no_login password 'special-password'",
      `revoke connect on database ${name} from public`,
    );
    const as = (role: string) =>
      changed(database, (url) => ([url.username, url.password] = [role, 'special-password']));
    expect(await refusal(as('nobody_special'))).toMatch(
      /does not let the role "nobody_special" into .*grant it CONNECT/,
    );
    expect(await refusal(as('no_login'))).toMatch(/does not let the role "no_login" in .*28000/);
  });

  it('tells of a server that is not there', async () => {
    expect(await refusal('postgres://app:secret@127.0.0.1:1/tandem')).toMatch(
      /127\.0\.0\.1:1 cannot be reached \(ECONNREFUSED\)/,
    );
    expect(await refusal('postgres://app:secret@no-such-host.invalid/tandem')).toMatch(
      /cannot be reached \((ENOTFOUND|EAI_AGAIN)\)/,
    );
    expect(await refusal('postgres:///c?user=a&host=/no/socket')).toMatch(/\/no\/socket\/\.s\.PGSQL\.5432 .*ENOENT/);
  });

  it('waits for a server that is starting, and tells so once', async () => {
    const slow = await startPostgres();
    try {
      await slow.stopImmediate();
      const told: string[] = [];
      const restarts: Promise<void>[] = [];
      const contact = await contactPostgres(externalPostgres(slow.url), {
        onWaiting: ({ message }) => {
          told.push(message);
          restarts.push(slow.restart());
        },
      });
      await Promise.all(restarts);
      expect(contact.attempts).toBeGreaterThan(1);
      expect(told).toEqual([expect.stringMatching(/cannot be reached \(ECONNREFUSED\)/)]);
    } finally {
      await slow.stop();
    }
  });

  it('stops waiting when it is told to', async () => {
    const abort = new AbortController();
    const contact = contactPostgres(externalPostgres('postgres://app:secret@127.0.0.1:1/tandem'), {
      onWaiting: () => abort.abort(),
      signal: abort.signal,
    });
    await expect(contact).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('tells of a standby', async () => {
    const standby = await plain.startStandby();
    expect(await refusal(standby.url)).toMatch(/is a standby, which is read-only; connect to the primary/);
    await standby.stop();
  });

  it('tells of a role that may only read, and of a database that cannot keep every text', async () => {
    await administer(
      "create role reader login password 'reader-password'",
      'alter role reader set default_transaction_read_only = on',
      "create database latin encoding 'LATIN1' template template0",
    );
    const reader = changed(plain.url, (url) => ([url.username, url.password] = ['reader', 'reader-password']));
    expect(await refusal(reader)).toMatch(/is read-only for the role "reader"/);
    expect(await refusal(changed(plain.url, (url) => (url.pathname = '/latin')))).toMatch(/"latin" in LATIN1; .*UTF8/);
  });

  it('takes a pooler only for a role with a deadline of its own', async () => {
    await administer("create role pooled login password 'pooled-password'");
    const pooled = changed(plain.url, (url) => {
      [url.username, url.password] = ['pooled', 'pooled-password'];
      url.searchParams.set('pgbouncer', 'true');
    });
    expect(await refusal(pooled)).toMatch(
      /statement_timeout: none.*alter role "pooled" set statement_timeout = '1700ms'/,
    );
    await administer("alter role pooled set statement_timeout = '5s'");
    expect(await refusal(pooled)).toMatch(/statement_timeout: 5000 ms/);
    await administer("alter role pooled set statement_timeout = '1700ms'");
    await contactPostgres(externalPostgres(pooled));
  });

  describe('over TLS', () => {
    it('goes on with a certificate that DATABASE_SSL_CA signs, and encrypts', async () => {
      const trusted = externalPostgres(secure.url, { DATABASE_SSL: 'true', DATABASE_SSL_CA: secure.sslCa ?? '' });
      await contactPostgres(trusted);
      const client = new pg.Client(connectPostgres(trusted).connection);
      await client.connect();
      const { rows } = await client.query('select ssl from pg_stat_ssl where pid = pg_backend_pid()');
      await client.end();
      expect(rows).toEqual([{ ssl: true }]);
    });

    it('refuses a certificate that nobody trusts, whatever the URL says of it', async () => {
      for (const mode of ['', '?sslmode=require', '?sslmode=prefer', '?sslmode=verify-ca']) {
        const message = await refusal(`${secure.url}${mode}`, { DATABASE_SSL: 'true' });
        expect(message).toMatch(
          /a certificate that is not trusted \(DEPTH_ZERO_SELF_SIGNED_CERT\); set DATABASE_SSL_CA/,
        );
      }
    });

    it('refuses a certificate for another name', async () => {
      const env = { DATABASE_SSL: 'true', DATABASE_SSL_CA: secure.sslCa ?? '' };
      const message = await refusal(
        changed(secure.url, (url) => (url.hostname = 'localhost')),
        env,
      );
      expect(message).toMatch(/a certificate that is not for localhost/);
      const other = await startPostgres({ ssl: ['DNS:localhost'] });
      try {
        const byAddress = await refusal(other.url, { ...env, DATABASE_SSL_CA: other.sslCa ?? '' });
        expect(byAddress).toMatch(/a certificate that is not for 127\.0\.0\.1/);
      } finally {
        await other.stop();
      }
    });

    it('refuses a server that speaks none', async () => {
      expect(await refusal(plain.url, { DATABASE_SSL: 'true' })).toMatch(/speaks no TLS; .*DATABASE_SSL=false/);
    });
  });
});
