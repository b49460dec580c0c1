import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { copyDataDirectory, emptyDataDirectory } from './support/data-directory.ts';
import type { DataDirectory } from './support/data-directory.ts';
import type { Environment } from './support/environment.ts';
import { spawnProcess } from './support/spawned-server.ts';

describe('a server that cannot start', () => {
  let data: DataDirectory;

  beforeEach(async () => {
    data = await copyDataDirectory();
  });
  afterEach(async () => {
    await data.remove();
  });

  /** The one line that it leaves on standard error. */
  async function refusal(env: Environment): Promise<string> {
    const server = spawnProcess(data.dir, env);
    const code = await server.exited;
    expect({ code, stderr: server.stderr() }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^Tandem could not start: [^\n]+\n$/),
    });
    return server.stderr();
  }

  it('because its port is taken, says so in one line with the variable and what to do', async () => {
    const other = await listening();
    try {
      const { port } = other.address() as AddressInfo;
      expect(await refusal({ PORT: String(port) })).toMatch(
        new RegExp(`PORT: ${port} on 127\\.0\\.0\\.1 .*EADDRINUSE.*another PORT`),
      );
    } finally {
      await new Promise((resolve) => other.close(resolve));
    }
  });

  it.each([
    ['192.0.2.1', /HOST: 192\.0\.2\.1 .*EADDRNOTAVAIL.*0\.0\.0\.0/],
    // Without any name server it is EAI_AGAIN.
    ['no-such-host.invalid', /HOST: no-such-host\.invalid .*(ENOTFOUND|EAI_AGAIN).*0\.0\.0\.0/],
  ])('because %s is no address of this machine, says so', async (host, expected) => {
    expect(await refusal({ HOST: host })).toMatch(expected);
  });

  it('because its data directory is a file, or below one, says so', async () => {
    const empty = await emptyDataDirectory();
    try {
      const file = path.join(empty.dir, 'file');
      await writeFile(file, '');
      expect(await refusal({ DATA_DIR: file })).toMatch(/DATA_DIR: .*\/file .*EEXIST.*another DATA_DIR/);
      expect(await refusal({ DATA_DIR: path.join(file, 'below') })).toMatch(/DATA_DIR: .*ENOTDIR.*another DATA_DIR/);
    } finally {
      await empty.remove();
    }
  });
});

async function listening(): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  return server;
}
