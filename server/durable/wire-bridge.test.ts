import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { copyDataDirectory, type DataDirectory } from '../../test/support/data-directory.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from './embedded.ts';

/** Longer than what one read of the socket gives. */
const LONG = 'x'.repeat(300_000);

describe('wire bridge', () => {
  let directory: DataDirectory;
  let postgres: EmbeddedPostgres;
  const clients: pg.Client[] = [];

  beforeAll(async () => {
    directory = await copyDataDirectory();
    postgres = await startEmbeddedPostgres({ dataDir: directory.dir, onEvent: () => {} });
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.end()));
    await postgres.stop();
    await directory.remove();
  });

  async function client(): Promise<pg.Client> {
    const made = new pg.Client(postgres.connection);
    await made.connect();
    clients.push(made);
    return made;
  }

  it('answers each of several connections with its own rows, however long the parameters are', async () => {
    const callers = await Promise.all([client(), client(), client(), client()]);
    const answers = await Promise.all(
      callers.map(async (caller, index) => {
        const rows: unknown[] = [];
        for (let round = 0; round < 20; round += 1) {
          const { rows: answer } = await caller.query<{ caller: number; length: number }>({
            // Without a name, and under one name with another text: the two ways in which statements can be mixed up.
            ...(round % 2 === 0 ? {} : { name: 'same' }),
            text: `select ${index} as caller, length($1) as length`,
            values: [LONG + '.'.repeat(index)],
          });
          rows.push(...answer);
        }
        return rows;
      }),
    );
    for (const [index, rows] of answers.entries()) {
      expect(rows).toEqual(Array.from({ length: 20 }, () => ({ caller: index, length: LONG.length + index })));
    }
  });

  it('goes on after a query that failed, on that connection and on others', async () => {
    const [first, second] = [await client(), await client()];
    for (const text of ['select 1 / $1::int as one', 'select no_such_function($1)']) {
      await expect(first.query(text, [0])).rejects.toThrow(pg.DatabaseError);
    }
    expect((await first.query('select $1::int as one', [1])).rows).toEqual([{ one: 1 }]);
    expect((await second.query('select $1::int as one', [2])).rows).toEqual([{ one: 2 }]);
  });

  it('keeps others out of an open transaction, and rolls it back when its connection goes', async () => {
    const [owner, other] = [new pg.Client(postgres.connection), await client()];
    await owner.connect();
    await other.query('create table of_a_transaction (n int)');
    await owner.query('begin');
    await owner.query('insert into of_a_transaction values (1)');
    let isAnswered = false;
    const waiting = other
      .query('select count(*)::int as count from of_a_transaction')
      .finally(() => (isAnswered = true));
    // A round trip of the owner, begun after the other's query, and answered before it.
    await owner.query('select 1');
    expect(isAnswered).toBe(false);
    await owner.end();
    expect((await waiting).rows).toEqual([{ count: 0 }]);
    await other.query('drop table of_a_transaction');
  });

  it('forgets the prepared statements of a connection that goes', async () => {
    const gone = new pg.Client(postgres.connection);
    await gone.connect();
    await gone.query({ name: 'left', text: 'select 4711 as mark' });
    await gone.end();
    const { rows } = await (
      await client()
    ).query('select name from pg_prepared_statements where statement like $1', ['%4711 as mark%']);
    expect(rows).toEqual([]);
  });

  it('lets nobody in who does not know the secret', async () => {
    const stranger = new pg.Client({ ...postgres.connection, application_name: 'stranger' });
    await expect(stranger.connect()).rejects.toThrow(/terminated/);
  });

  it.each([
    ['no protocol', 'GET / HTTP/1.1\r\n\r\n'],
    ['a frame of 2 GB', Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0])],
    ['a negative length', Buffer.from([0xff, 0xff, 0xff, 0xff, 0, 3, 0, 0])],
  ])('ends a connection that sends %s, and goes on', async (_name, bytes) => {
    const socket = connect(join(postgres.connection.host ?? '', '.s.PGSQL.5432'));
    await new Promise((resolve) => {
      socket.on('close', resolve);
      socket.on('error', () => {});
      socket.write(bytes);
    });
    expect((await (await client()).query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });
});
