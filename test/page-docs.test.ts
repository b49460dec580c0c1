import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Page } from 'playwright-core';
import { stagePages } from './support/page-stage.ts';

const docs = path.join(import.meta.dirname, '../docs');
const [, sample = ''] =
  /^```html run-by=page\n(.*?)^```$/ms.exec(readFileSync(path.join(docs, 'quick-start.md'), 'utf8')) ?? [];
const ADDRESS = 'http://127.0.0.1:3001';

/** What comes later on a page repeats what stood before, and each part is looked at four times. */
const MOST_PARTS = 80;

// The page of the quick start is served from another port.
const stage = stagePages({ CORS_ORIGINS: '*' });

describe('the documentation', () => {
  it.each([
    ['the first page', '/docs', 'Documentation'],
    ['the protocol reference', '/docs/protocol-reference', 'Protocol reference'],
    ['a long page', '/docs/operations', 'Running Tandem'],
  ])(
    'is without fault on a phone and a desktop, light and dark: %s',
    async (_which, address, title) => {
      const visitor = await stage.visitor();
      await visitor.page.goto(stage.url + address);
      await visitor.page.getByRole('heading', { level: 1, name: title }).waitFor();
      for (const width of [360, 1280]) {
        await visitor.page.setViewportSize({ width, height: 800 });
        expect([address, width, await widest(visitor.page, 'html')]).toEqual([address, width, 0]);
      }
      await visitor.page.evaluate((most) => {
        for (const details of document.querySelectorAll('details')) details.open = true;
        for (const part of [...document.querySelectorAll('main > *')].slice(most)) part.remove();
      }, MOST_PARTS);
      await visitor.assertAccessible(address);
    },
    60_000,
  );

  it('scrolls wide code and tables by themselves, and is walked by its lists', async () => {
    const { page } = await stage.visitor();
    await page.setViewportSize({ width: 360, height: 740 });
    await page.goto(`${stage.url}/docs/protocol-reference`);
    expect(await widest(page, 'main .table')).toBeGreaterThan(0);
    expect(await widest(page, 'html')).toBe(0);
    await page.getByRole('link', { name: 'All pages' }).click();
    const list = page.getByRole('navigation', { name: 'All pages' });
    await list.getByRole('link', { name: 'Operations' }).click();
    await page.waitForURL('**/docs/operations.html');
    expect(await widest(page, 'main pre')).toBeGreaterThan(0);
    expect(await list.locator('[aria-current="page"]').innerText()).toBe('Operations');
    await page.getByText('On this page').click();
    await page.locator('.outline').getByRole('link', { name: 'Backup and restore' }).click();
    await page.waitForURL('**/docs/operations.html#backup-and-restore');
    await page.getByRole('link', { name: /^Next/ }).click();
    await page.getByRole('heading', { level: 1 }).waitFor();
    expect(page.url()).toBe(`${stage.url}/docs/capacity.html`);
  }, 60_000);

  it('serves the AsyncAPI document', async () => {
    const answer = await fetch(`${stage.url}/docs/asyncapi.json`);
    expect([answer.status, answer.headers.get('Content-Type')]).toEqual([200, 'application/json; charset=utf-8']);
    expect(await answer.json()).toMatchObject({ asyncapi: '3.0.0', info: { title: 'Tandem' } });
  });

  it('has a page in the quick start that pairs with itself', async () => {
    expect(sample).toContain(ADDRESS);
    const own = createServer((_request, response) => {
      response.setHeader('Content-Type', 'text/html; charset=utf-8').end(sample.replaceAll(ADDRESS, stage.url));
    });
    try {
      const url = await listen(own);
      const [ada, bob] = [(await stage.visitor()).page, (await stage.visitor()).page];
      await ada.goto(url);
      await ada.getByText(/^http:.*#[2-9B-Z]{3}-[2-9B-Z]{3}$/).waitFor();
      await bob.goto(await ada.locator('#link').innerText());
      await bob.getByText('Paired.').waitFor();
      await bob.getByLabel('Message').fill('hello');
      await bob.keyboard.press('Enter');
      await ada.getByText('They: hello').waitFor();
      await bob.getByText('I: hello').waitFor();
      await ada.reload();
      await ada.getByLabel('Message').fill('still here');
      await ada.keyboard.press('Enter');
      await bob.getByText('They: still here').waitFor();
    } finally {
      own.closeAllConnections();
      own.close();
    }
  }, 60_000);
});

/** How far what is in the widest of these goes beyond it, in pixels. */
function widest(page: Page, selector: string): Promise<number> {
  return page.evaluate(
    (which) => Math.max(...[...document.querySelectorAll(which)].map((one) => one.scrollWidth - one.clientWidth)),
    selector,
  );
}

async function listen(server: Server): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`; // Never a pipe: it listens on an address.
}
