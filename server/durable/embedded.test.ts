import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { chmod, mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { runScript, type ChildScript } from '../../test/support/child-script.ts';
import { copyDataDirectory, emptyDataDirectory, type DataDirectory } from '../../test/support/data-directory.ts';
import { eventually } from '../../test/support/eventually.ts';
import { creation, messagesOnly, newMessage, newSeat, newSession } from '../../test/support/stored-session.ts';
import { DataDirectoryInUseError } from './data-directory-lock.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded.ts';
import { MIGRATIONS_DIRECTORY } from './migration-files.ts';
import { migrate } from './migrate.ts';
import { createPool, type Pool } from './pool.ts';
import { createSqlStore } from './sql-store.ts';
import { keepUp } from './upkeep.ts';

describe('embedded Postgres', () => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });

  async function directoryOf(make: () => Promise<DataDirectory>): Promise<string> {
    const directory = await make();
    closing.push(() => directory.remove());
    return directory.dir;
  }

  async function start(
    dataDir: string,
    onEvent: (event: 'lost' | 'recovered', error?: Error) => void = () => {},
    options: { pingMs?: number } = {},
  ): Promise<{ postgres: EmbeddedPostgres; pool: Pool }> {
    const postgres = await startEmbeddedPostgres({ dataDir, onEvent, ...options });
    closing.push(() => postgres.stop());
    const pool = createPool(postgres.connection, { max: 2 });
    closing.push(() => pool.end());
    return { postgres, pool };
  }

  function run(script: string, ...args: string[]): ChildScript {
    const child = runScript(script, ...args);
    closing.push(() => child.kill());
    return child;
  }

  const isPosix = process.platform !== 'win32';
  const modeOf = async (...path: string[]) => (await stat(join(...path))).mode & 0o777;

  it('makes its database at the first start, for nobody else, and finds it again', async () => {
    const dir = await directoryOf(emptyDataDirectory);
    const { postgres } = await start(dir);
    if (isPosix) expect(await modeOf(dir, 'postgres')).toBe(0o700);
    await migrate(postgres.connection, MIGRATIONS_DIRECTORY, '0.1.0');
    const first = createPool(postgres.connection, { max: 1 });
    const session = newSession();
    await createSqlStore(first).commit(creation(session));
    await first.end();
    await postgres.stop();
    expect((await readdir(dir)).sort()).toEqual(['postgres']);
    const { pool } = await start(dir);
    expect(await createSqlStore(pool).loadSession(session.id, 0)).not.toBeNull();
  });

  const posixOnly = isPosix ? it : it.skip;
  posixOnly('keeps the files of an older start from everybody else', async () => {
    const old = await directoryOf(copyDataDirectory);
    await chmod(join(old, 'postgres'), 0o755);
    await mkdir(join(old, 'postgres.unfinished'), { mode: 0o755 });
    await start(old);
    for (const name of ['postgres', 'postgres.unfinished']) expect(await modeOf(old, name)).toBe(0o700);
  });

  it('starts after it was killed while it made its database', async () => {
    const dir = await directoryOf(emptyDataDirectory);
    const child = run('test/support/writer-process.ts', dir);
    const unfinished = join(dir, 'postgres.unfinished', 'base');
    await eventually(async () => expect(await exists(unfinished)).toBe(true));
    await child.kill();
    expect(await readdir(dir)).not.toContain('postgres');
    const { pool } = await start(dir);
    expect(await pool.query({ name: 'one', text: 'select 1 as one' }, [])).toEqual([{ one: 1 }]);
    expect(await readdir(dir)).not.toContain('postgres.unfinished');
  });

  it('refuses a directory that another one works in, and leaves that one in peace', async () => {
    const dir = await directoryOf(copyDataDirectory);
    const { pool } = await start(dir);
    await expect(startEmbeddedPostgres({ dataDir: dir, onEvent: () => {} })).rejects.toThrow(DataDirectoryInUseError);
    expect(await pool.query({ name: 'one', text: 'select 1 as one' }, [])).toEqual([{ one: 1 }]);
  });

  it('says why it does not start, and gives the directory free', async () => {
    const dir = await directoryOf(emptyDataDirectory);
    await mkdir(join(dir, 'postgres'));
    await writeFile(join(dir, 'postgres', 'PG_VERSION'), '9.4\n');
    const failure: unknown = await startEmbeddedPostgres({ dataDir: dir, onEvent: () => {} }).catch(
      (error: unknown) => error,
    );
    if (!(failure instanceof Error)) throw new Error('It started');
    expect(failure.message).toContain(dir);
    expect(String(failure.cause)).toContain('postgresql.conf');
    expect(await readdir(dir)).toEqual(['postgres']);
  });

  it('may be stopped twice, and leaves neither lock nor socket behind', async () => {
    const dir = await directoryOf(copyDataDirectory);
    const { postgres } = await start(dir);
    const { host } = postgres.connection;
    expect(host).toContain(tmpdir());
    await Promise.all([postgres.stop(), postgres.stop()]);
    await postgres.stop();
    expect(await exists(host ?? '')).toBe(false);
    expect(await readdir(dir)).toEqual(['postgres']);
  });

  it('comes back by itself after a panic of Postgres, with all that was stored', async () => {
    const dir = await directoryOf(copyDataDirectory);
    const events: string[] = [];
    let onRecovered = (): void => {};
    const recovered = new Promise<void>((resolve) => {
      onRecovered = resolve;
    });
    const log = join(dir, 'postgres', 'pg_wal');
    const away = join(dir, 'pg_wal');
    const { pool } = await start(dir, (event, error) => {
      events.push(error === undefined ? event : `${event}: ${error.message}`);
      // The disk is repaired as soon as it is known to be broken.
      if (event === 'lost' && events.length === 1) void rename(away, log);
      if (event === 'recovered') onRecovered();
    });
    const store = createSqlStore(pool);
    const host = newSeat('host');
    const session = newSession({ seats: [host] });
    await store.commit(creation(session));
    await rename(log, away);
    let acknowledged = 0;
    for (;;) {
      const bodyJson = JSON.stringify('x'.repeat(40_000));
      try {
        await store.commit(messagesOnly(newMessage(session, host, acknowledged + 1, { bodyJson })));
        acknowledged += 1;
      } catch {
        break;
      }
    }
    await recovered;
    expect(events[0]).toMatch(/^lost: .*PANIC/s);
    const stored = await store.loadSession(session.id, 0);
    expect(acknowledged).toBeGreaterThan(0);
    // One more when the panic came after the commit, and before the answer.
    expect([acknowledged, acknowledged + 1]).toContain(stored?.lastSeq);
  });

  /** A database whose thread hangs in a system call, out of which nothing but `letGo` takes it; it counts as lost. */
  async function startHanging(): Promise<{
    dir: string;
    postgres: EmbeddedPostgres;
    pool: Pool;
    events: string[];
    recovered: Promise<void>;
    letGo: () => Promise<void>;
  }> {
    const dir = await directoryOf(copyDataDirectory);
    const path = join(dir, 'postgres', 'pipe');
    const letGo = async (): Promise<void> => {
      // For reading too, which waits for nobody.
      const pipe = await open(path, constants.O_RDWR | constants.O_NONBLOCK);
      await pipe.close();
    };
    const events: string[] = [];
    let onLost = (): void => {};
    let onRecovered = (): void => {};
    const lost = new Promise<void>((resolve) => (onLost = resolve));
    const recovered = new Promise<void>((resolve) => (onRecovered = resolve));
    const { postgres, pool } = await start(
      dir,
      (event) => {
        events.push(event);
        if (event === 'lost') onLost();
        else onRecovered();
      },
      { pingMs: 100 },
    );
    const read = { name: 'read', text: "select pg_read_file('pipe')" };
    // It is looked at once, so that it is opened the next time as what it was.
    await writeFile(path, 'a file');
    await pool.query(read, []);
    await rm(path);
    await promisify(execFile)('mkfifo', [path]);
    closing.push(letGo);
    pool.query(read, []).catch(() => undefined); // Nobody answers.
    await lost;
    return { dir, postgres, pool, events, recovered, letGo };
  }

  posixOnly('replaces a thread that hangs when it has ended, because it may still write until then', async () => {
    const { events, pool, recovered, letGo } = await startHanging();
    // Time enough for another one to start, whatever the machine.
    await start(await directoryOf(copyDataDirectory));
    expect(events).toEqual(['lost']);
    await letGo();
    await recovered;
    expect(await pool.query({ name: 'one', text: 'select 1 as one' }, [])).toEqual([{ one: 1 }]);
  });

  posixOnly('keeps the directory until a thread that hangs has ended', async () => {
    const { dir, postgres, letGo } = await startHanging();
    const stopped = postgres.stop();
    await Promise.race([stopped, start(await directoryOf(copyDataDirectory))]);
    await expect(startEmbeddedPostgres({ dataDir: dir, onEvent: () => {} })).rejects.toThrow(DataDirectoryInUseError);
    await letGo();
    await stopped;
    await start(dir);
  });

  it('does not take upkeep for a hang, however long it takes', async () => {
    const events: string[] = [];
    const { postgres } = await start(await directoryOf(copyDataDirectory), (event) => events.push(event), {
      pingMs: 100,
    });
    const client = new pg.Client(postgres.connection);
    await client.connect();
    closing.push(() => client.end());
    await client.query('create table slow (number integer)');
    await client.query(
      'create function slowly(integer) returns integer immutable language plpgsql as $$ begin return $1; end $$',
    );
    await client.query('create index on slow (slowly(number))');
    await client.query('insert into slow select generate_series(1, 60)');
    await client.query(`
      create or replace function slowly(integer) returns integer immutable language plpgsql
      as $$ begin perform pg_sleep(0.05); return $1; end $$`);
    expect(await keepUp(postgres.connection)).toContain('slow');
    expect(await client.query('select 1 as one')).toMatchObject({ rows: [{ one: 1 }] });
    expect(events).toEqual([]);
  });

  it('answers again after a statement that outlasts its deadline', async () => {
    const { pool } = await start(await directoryOf(copyDataDirectory));
    await expect(pool.query({ name: 'slow', text: 'select pg_sleep(2.5)' }, [])).rejects.toThrow(/timeout/);
    await eventually(async () => {
      expect(await pool.query({ name: 'one', text: 'select 1 as one' }, [])).toEqual([{ one: 1 }]);
    });
  });

  it('loses nothing that it acknowledged when its process is killed', async () => {
    const dir = await directoryOf(copyDataDirectory);
    let killedAfter = 0;
    for (let round = 0; round < 3; round += 1) {
      const child = run('test/support/writer-process.ts', dir);
      const sessionId = await child.nextLine();
      // Another number of acknowledged batches each time, and then in the middle of the next one.
      for (let batch = 0; batch < 5 + 20 * round; batch += 1) killedAfter = Number(await child.nextLine());
      await child.kill();
      const acknowledged = Math.max(killedAfter, ...child.takeLines().map(Number));
      const { postgres, pool } = await start(dir);
      const store = createSqlStore(pool);
      const stored = await store.loadSession(sessionId, 0);
      const messages = await store.readMessages(sessionId, { afterSeq: 0, limit: 1_000_000 });
      expect(stored?.lastSeq).toBeGreaterThanOrEqual(acknowledged);
      expect(messages.map(({ seq }) => seq)).toEqual(messages.map((_, index) => index + 1));
      expect(messages).toHaveLength(stored?.lastSeq ?? -1);
      expect(
        messages.every(({ seq, id, body }) => id === `message-${seq}` && lengthOf(body) === (seq * 97) % 9000),
      ).toBe(true);
      await pool.end();
      await postgres.stop();
    }
  }, 60_000);

  it('removes the socket that a killed process left', async () => {
    const dir = await directoryOf(copyDataDirectory);
    const before = new Set(await scratchDirectories());
    const child = run('test/support/writer-process.ts', dir);
    await child.nextLine();
    const [left] = (await scratchDirectories()).filter((name) => !before.has(name));
    await child.kill();
    await start(dir);
    expect(left).toBeDefined();
    expect(await scratchDirectories()).not.toContain(left);
  });

  it('keeps the thread of the event loop free while it computes', async () => {
    const { postgres } = await start(await directoryOf(copyDataDirectory));
    const client = new pg.Client(postgres.connection);
    await client.connect();
    closing.push(() => client.end());
    let ticks = 0;
    const clock = setInterval(() => (ticks += 1), 5);
    const startedAt = performance.now();
    await client.query('select count(*) from generate_series(1, 1000000)').finally(() => clearInterval(clock));
    // Computed in this thread, it would have let through one tick at most.
    expect(performance.now() - startedAt).toBeGreaterThan(100);
    expect(ticks).toBeGreaterThan(5);
  });
});

async function scratchDirectories(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith('tandem-postgres-'));
}

async function exists(path: string): Promise<boolean> {
  return await readdir(path).then(
    () => true,
    () => false,
  );
}

function lengthOf(body: unknown): number {
  return typeof body === 'string' ? body.length : -1;
}
