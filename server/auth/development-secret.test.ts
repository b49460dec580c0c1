import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { developmentSecret } from './development-secret.ts';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'tandem-secret-'));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

it('is made once, for the eyes of its owner alone, and found again', async () => {
  const dataDir = path.join(directory, 'not', 'there');
  const secret = await developmentSecret(dataDir);
  expect(secret).toMatch(/^[\w-]{64}$/);
  expect(await developmentSecret(dataDir)).toBe(secret);
  expect(await readdir(dataDir)).toEqual(['jwt-secret']);
  expect((await stat(path.join(dataDir, 'jwt-secret'))).mode & 0o777).toBe(0o600);
  expect(await developmentSecret(path.join(directory, 'other'))).not.toBe(secret);
});

it('is the same for all that start at once', async () => {
  const made = await Promise.all(Array.from({ length: 20 }, () => developmentSecret(directory)));
  expect(new Set(made).size).toBe(1);
  expect(await readdir(directory)).toEqual(['jwt-secret']);
});

it('is closed to others when somebody copied it openly', async () => {
  const secret = await developmentSecret(directory);
  const file = path.join(directory, 'jwt-secret');
  await chmod(file, 0o644);
  expect(await developmentSecret(directory)).toBe(secret);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

it('is not taken from a file that holds less than a secret, and nothing of it is told', async () => {
  const file = path.join(directory, 'jwt-secret');
  await writeFile(file, 'short one\n');
  await expect(developmentSecret(directory)).rejects.toThrow(/jwt-secret: received a secret of 9 bytes, expected/);
  await expect(developmentSecret(directory)).rejects.not.toThrow(/short one/);
  expect(await readFile(file, 'utf8')).toBe('short one\n');
});
