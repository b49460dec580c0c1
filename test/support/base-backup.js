#!/usr/bin/env node
/**
 * What tests need of pg_basebackup, for distributions of Postgres that come without it: `-D directory -d url -R`. It
 * copies the files of a server on this machine, so it runs as the user of that server. It is put among the programs of a
 * distribution, below node_modules, from where it finds `pg`.
 */
import { appendFile, cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import pg from 'pg';

const given = process.argv.slice(2);
const target = valueOf('-D');
const url = new URL(valueOf('-d'));
const client = new pg.Client({ connectionString: url.href, ssl: false });
await client.connect();
const { rows } = await client.query('show data_directory');
const source = rows[0].data_directory;
await client.query("select pg_backup_start('standby', true)");
await mkdir(target, { recursive: true, mode: 0o700 });
for (const name of await readdir(source)) {
  if (!['postmaster.pid', 'postmaster.opts', 'pg_wal'].includes(name)) await copy(name);
}
const { rows: ends } = await client.query('select labelfile from pg_backup_stop(false)');
await client.end();
await writeFile(path.join(target, 'backup_label'), ends[0].labelfile);
// What was written meanwhile, and makes the copy whole.
await copy('pg_wal');
const [user, password] = [url.username, url.password].map(decodeURIComponent);
const conninfo = `host=${url.hostname} port=${url.port} user=${user} password=${password}`;
await appendFile(path.join(target, 'postgresql.auto.conf'), `primary_conninfo = '${conninfo}'\n`);
await writeFile(path.join(target, 'standby.signal'), '');

/** @param {string} name */
async function copy(name) {
  // A file of a table that went meanwhile is missed by nobody.
  await cp(path.join(source, name), path.join(target, name), { recursive: true, preserveTimestamps: true });
}

/** @param {string} option */
function valueOf(option) {
  const value = given[given.indexOf(option) + 1];
  if (!given.includes(option) || value === undefined) throw new Error(`${option} is missing`);
  return value;
}
