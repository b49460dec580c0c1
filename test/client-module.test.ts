import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';
import { copyDataDirectory } from './support/data-directory.ts';
import { spawnServer } from './support/spawned-server.ts';
import type { SpawnedServer } from './support/spawned-server.ts';

const DEADLINE_MS = 20_000;

/** A page as an application of another origin has it: it takes the library from the server, and its own title is the outcome. */
const page = (tandem: string) => `<!doctype html>
<title></title>
<script type="module">
  try {
    const { TandemClient } = await import('${tandem}/client/tandem.js');
    const [ada, bob] = ['ada', 'bob'].map((storageKey) => new TandemClient({ url: '${tandem}', storageKey }));
    const hosted = await ada.create({ name: 'Ada' });
    const joined = await bob.join(hosted.info.code);
    const heard = new Promise((resolve) => joined.on('message', resolve));
    await hosted.send('text', 'from another origin');
    document.title = (await heard).body;
  } catch (error) {
    document.title = error.code ?? String(error);
  }
</script>`;

describe('a page of another origin that loads the client library from the server', () => {
  let browser: Browser;
  let server: SpawnedServer;
  let application: Server;
  let origin: string;
  const data = copyDataDirectory();

  beforeAll(async () => {
    application = createServer((request, response) => {
      // The strictest page: it may load nothing of other origins that is not meant for it.
      response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp');
      response.setHeader('Content-Type', 'text/html; charset=utf-8');
      response.end(request.url === '/' ? page(server.url) : '');
    });
    await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
    const { port } = application.address() as AddressInfo;
    origin = `http://127.0.0.1:${port}`;
    server = await spawnServer((await data).dir, { CORS_ORIGINS: origin });
    browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: [
        ...['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
        ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ],
    });
  }, 60_000);

  afterAll(async () => {
    await browser.close();
    await server.sigterm();
    application.closeAllConnections();
    await new Promise((resolve) => application.close(resolve));
    await (await data).remove();
  }, 60_000);

  async function titleOf(url: string): Promise<string> {
    const tab = await browser.newPage();
    try {
      await tab.goto(url);
      await tab.waitForFunction(() => document.title !== '', undefined, { timeout: DEADLINE_MS });
      return await tab.title();
    } finally {
      await tab.close();
    }
  }

  it('pairs and talks where the server lists its origin', async () => {
    expect(await titleOf(origin)).toBe('from another origin');
  });
});
