import { afterEach, describe, expect, it } from '@jest/globals';
import type { CommandPayload } from '../protocol/commands.ts';
import { Client } from './support/client.ts';
import { Clock } from './support/clock.ts';
import { stagePages } from './support/page-stage.ts';
import type { Visitor } from './support/page-stage.ts';
import { startServer } from './support/server.ts';
import { startTcpProxy } from './support/tcp-proxy.ts';

const stage = stagePages();
let clients: Client[] = [];

afterEach(() => {
  for (const client of clients) client.close();
  clients = [];
});

/** A host at the page, and the code of its session. */
async function hosting(url = stage.url): Promise<{ ada: Visitor; code: string }> {
  const ada = await stage.visitor();
  await ada.page.goto(url);
  await ada.page.getByLabel('Your name').fill('Ada');
  await ada.page.getByLabel('Ask me before somebody joins').check();
  await ada.button('Start a session').click();
  return { ada, code: await ada.code() };
}

/** Somebody without a page who knocks; `answer` is what comes of it. */
async function knocking(code: string, name: string, more: Partial<CommandPayload<'session:join'>> = {}) {
  const client = new Client(stage.url);
  clients.push(client);
  expect(await client.opened()).toBeNull();
  const answer = client.send('session:join', { code, name, ...more });
  answer.catch(() => undefined);
  return { client, answer };
}

function door(visitor: Visitor) {
  return visitor.page.getByRole('list', { name: 'Waiting to be let in' });
}

describe('a session whose host is asked', () => {
  it('shows and reads out who knocks, and lets in by keyboard', async () => {
    const { ada, code } = await hosting();
    await ada.isTold('You are asked about everybody who wants to join.');
    const bob = await stage.visitor();
    await bob.join(stage.url, code, 'Bob');
    await bob.isTold(/waiting for the host, who may have to let you in/i);
    await door(ada).getByText('from 127.0.0.x').waitFor();
    const heard = ada.page.locator('.panel .unseen[role="log"]');
    await heard.getByText(/Bob.* asks to be let in, from the address 127\.0\.0\.x/).waitFor();
    expect(await ada.page.title()).toBe('Somebody asks to be let in');
    await ada.page.keyboard.press('Tab');
    await ada.page.keyboard.press('Enter');
    await bob
      .person('Ada')
      .getByText(/host, online/)
      .waitFor();
    await ada
      .person('Bob')
      .getByText(/guest, online/)
      .waitFor();
    expect(await door(ada).count()).toBe(0);
    await ada.page.waitForFunction(() => document.title === 'Tandem');
  }, 30_000);

  it('refuses, in words, and whoever was refused may knock again', async () => {
    const { ada, code } = await hosting();
    const bob = await stage.visitor();
    await bob.join(stage.url, code, 'Bob');
    await ada.button(/^Refuse .*Bob/).click();
    await bob.isTold('The host did not let you in.');
    expect(await bob.page.getByLabel('Code', { exact: true }).inputValue()).toBe(code);
    await bob.button('Join with a code').click();
    await ada.button(/^Let in .*Bob/).click();
    await bob.person('Ada').waitFor();
  }, 30_000);

  it('asks about several at once, in their order, and tells all when it is full', async () => {
    const { ada, code } = await hosting();
    const bob = await knocking(code, 'Bob');
    await ada.button(/^Let in .*Bob/).waitFor();
    const cat = await stage.visitor();
    await cat.join(stage.url, code, 'Cat');
    await ada.button(/^Let in .*Cat/).waitFor();
    expect(await door(ada).locator('.name').allInnerTexts()).toEqual(['Bob', 'Cat']);
    expect(await ada.page.title()).toBe('2 ask to be let in');
    await ada.button(/^Let in .*Bob/).click();
    expect(await bob.answer).toMatchObject({ ok: true });
    await ada.button(/^Let in .*Cat/).click();
    await ada.isTold(/the session is full/i);
    await cat.isTold(/the session is full/i);
    await ada.page.waitForFunction(() => document.title === 'Tandem');
  }, 30_000);

  it('that is locked meanwhile lets nobody in, and says how', async () => {
    const { ada, code } = await hosting();
    const bob = await knocking(code, 'Bob');
    await ada.button(/^Let in .*Bob/).waitFor();
    await ada.button('Lock the session').click();
    await ada.button('Unlock the session').waitFor();
    await ada.button(/^Let in .*Bob/).click();
    await ada.isTold(/unlock it to let somebody in/i);
    await ada.button('Unlock the session').click();
    await ada.button('Lock the session').waitFor();
    await ada.button(/^Let in .*Bob/).click();
    expect(await bob.answer).toMatchObject({ ok: true });
  }, 30_000);

  it('asks its host again after a reload', async () => {
    const { ada, code } = await hosting();
    const bob = await knocking(code, 'Bob');
    await ada.button(/^Let in .*Bob/).waitFor();
    await ada.page.reload();
    await ada.button(/^Let in .*Bob/).click();
    expect(await bob.answer).toMatchObject({ ok: true });
  }, 30_000);

  it('asks its host once after a lost connection, and no more about who has gone meanwhile', async () => {
    const proxy = await startTcpProxy({ host: '127.0.0.1', port: stage.server.port });
    try {
      const { ada, code } = await hosting(`http://127.0.0.1:${proxy.port}`);
      const [bob, cat] = [await knocking(code, 'Bob'), await knocking(code, 'Cat')];
      await ada.button(/^Let in .*Bob/).waitFor();
      await ada.button(/^Let in .*Cat/).waitFor();
      proxy.refuse(true);
      proxy.reset();
      await ada.isTold(/the connection is lost/i);
      await bob.client.do('session:leave', {});
      proxy.refuse(false);
      await ada.isTold('Connected.');
      await ada.button(/^Let in .*Bob/).waitFor({ state: 'detached' });
      expect(await door(ada).locator('.name').allInnerTexts()).toEqual(['Cat']);
      await ada.button(/^Let in .*Cat/).click();
      expect(await cat.answer).toMatchObject({ ok: true });
    } finally {
      await proxy.close();
    }
  }, 30_000);
});

describe('who waits for a host', () => {
  it('may cancel and do something else at once, and the host learns it when it answers', async () => {
    const { ada, code } = await hosting();
    const bob = await stage.visitor();
    await bob.join(stage.url, code, 'Bob');
    await ada.button(/^Let in .*Bob/).waitFor();
    await bob.button('Cancel').click();
    await bob.button('Start a session').click();
    // Far less than a host has for its answer.
    await bob.page.getByLabel('Pairing code', { exact: true }).waitFor({ timeout: 5_000 });
    await ada.button(/^Let in .*Bob/).focus();
    await ada.page.keyboard.press('Enter');
    await ada.isTold('They no longer wait to be let in.');
    expect(await door(ada).count()).toBe(0);
    const focused = await ada.page.evaluate(() => document.activeElement?.textContent);
    expect(focused).toBe('Waiting for the other side');
  }, 30_000);

  it('is told when the host did not answer within a minute, and is forgotten there', async () => {
    const clock = new Clock();
    const server = await startServer({}, { now: clock.now });
    try {
      const { ada, code } = await hosting(server.url);
      const bob = await stage.visitor();
      await bob.join(server.url, code, 'Bob');
      await ada.button(/^Let in .*Bob/).waitFor();
      for (const { page } of [ada, bob]) await page.evaluate(passOneMinute);
      clock.advance(60_000);
      await bob.isTold(/the host did not answer within a minute/i);
      await ada.button(/^Let in .*Bob/).waitFor({ state: 'detached' });
      await bob.assertAccessible('no answer');
      await Promise.all([ada, bob].map(({ page }) => page.goto('about:blank')));
    } finally {
      await server.stop();
    }
  }, 40_000);
});

describe('the page of a session with approval', () => {
  it('is without fault on a phone and a desktop, light and dark, whatever names there are', async () => {
    const { ada, code } = await hosting();
    const calls: string[] = [];
    await ada.page.exposeFunction('pwned', () => calls.push('pwned'));
    const bob = await stage.visitor();
    await bob.join(stage.url, code, 'Bob');
    await bob.isTold(/waiting for the host/i);
    await bob.assertAccessible('waiting');
    await knocking(code, '\u202e<img src=x onerror=pwned()>\u2069');
    await knocking(code, 'W'.repeat(64));
    await ada.button(/^Let in .*WWW/).waitFor();
    expect(await door(ada).getByRole('listitem').count()).toBe(3);
    expect(await door(ada).locator('img').count()).toBe(0);
    await ada.assertAccessible('at the door');
    await ada.button(/^Let in .*Bob/).click();
    await bob.person('Ada').waitFor();
    await ada.assertAccessible('at the door of a conversation');
    // On a phone too, with everything else folded.
    await ada.page.setViewportSize({ width: 360, height: 740 });
    await ada.button(/^Refuse .*WWW/).click();
    await ada.button(/^Refuse .*WWW/).waitFor({ state: 'detached' });
    expect(await ada.page.evaluate(() => document.activeElement?.textContent)).toBe('Waiting to be let in');
    expect(calls).toEqual([]);
  }, 60_000);
});

/** Runs in the page. What counts is how much time has passed since somebody asked. */
function passOneMinute(): void {
  const real = performance.now.bind(performance);
  performance.now = () => real() + 60_000;
}
