import { readFile } from 'node:fs/promises';
import { expect, it } from '@jest/globals';
import { VERSION } from './version.ts';

it('the version in the code is the version of the package', async () => {
  const manifest = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  expect(VERSION).toBe(manifest.version);
});
