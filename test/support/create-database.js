/** `node create-database.js <url> <name>`: a process, for whoever can't wait in any other way than by standing still. */
import pg from 'pg';

const [, , url, name] = process.argv;
const client = new pg.Client({ connectionString: url });
await client.connect();
await client.query(`create database ${name}`);
await client.end();
