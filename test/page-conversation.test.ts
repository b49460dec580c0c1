import { describe, expect, it } from '@jest/globals';
import type { Locator, Page } from 'playwright-core';
import { Client } from './support/client.ts';
import { limit } from './support/environment.ts';
import type { Environment } from './support/environment.ts';
import { eventually } from './support/eventually.ts';
import { filesOf, serveFiles } from './support/page-files.ts';
import { stagePages } from './support/page-stage.ts';
import type { PageStage, Visitor } from './support/page-stage.ts';
import { copyDataDirectory } from './support/data-directory.ts';
import { spawnServer } from './support/spawned-server.ts';
import { XSS_STRINGS } from './support/xss-strings.ts';

/** The conversation on somebody's page. */
class Talk {
  readonly page: Page;
  readonly list: Locator;
  readonly field: Locator;

  constructor({ page }: Visitor) {
    this.page = page;
    this.list = page.getByRole('log', { name: 'Messages' });
    this.field = page.getByRole('textbox', { name: 'Message' });
  }

  async say(text: string): Promise<void> {
    await this.field.fill(text);
    await this.field.press('Enter');
  }

  async sees(text: string): Promise<void> {
    await this.list.getByText(text, { exact: true }).waitFor();
  }

  message(text: string): Locator {
    return this.list.locator('.message').filter({ hasText: text });
  }

  /** Every message on the page as it is shown, in order. */
  bodies(): Promise<string[]> {
    return this.list.locator('.body').allTextContents();
  }

  /** What somebody reads who looks at the tab, and does not who looks at another. */
  async turn(visibility: 'visible' | 'hidden'): Promise<void> {
    await this.page.evaluate((state) => {
      Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
      document.dispatchEvent(new Event('visibilitychange'));
    }, visibility);
  }

  /** Goes to the top; tells where the first line then stands on the screen. */
  async scrollToTop(): Promise<{ text: string; top: number }> {
    return this.list.evaluate((scroller) => {
      scroller.scrollTop = 0;
      const first = scroller.querySelector('.message');
      return { text: first?.querySelector('.body')?.textContent ?? '', top: first?.getBoundingClientRect().top ?? NaN };
    });
  }

  async topOf(text: string): Promise<number> {
    const box = await this.list.getByText(text, { exact: true }).evaluate((body) => {
      return body.closest('.message')?.getBoundingClientRect().top ?? NaN;
    });
    return box;
  }
}

async function pair(stage: PageStage, url = stage.url): Promise<{ ada: Talk; bob: Talk }> {
  const [ada, bob] = [await stage.visitor(), await stage.visitor()];
  await bob.join(url, await ada.start(url, 'Ada'), 'Bob');
  await ada.person('Bob').waitFor();
  await bob.person('Ada').waitFor();
  return { ada: new Talk(ada), bob: new Talk(bob) };
}

/** A server for one test, which limits or kills it. */
async function ownServer(env: Environment = {}) {
  const data = await copyDataDirectory();
  return { data, server: await spawnServer(data.dir, env) };
}

/** Somebody on a page, and somebody who sends whatever the protocol allows. */
async function pairWithClient(stage: PageStage): Promise<{ ada: Talk; client: Client }> {
  const ada = await stage.visitor();
  const code = await ada.start(stage.url, 'Ada');
  const client = new Client(stage.url);
  expect(await client.opened()).toBeNull();
  await client.do('session:join', { code: code.replace('-', ''), name: 'Bob' });
  await ada.person('Bob').waitFor();
  return { ada: new Talk(ada), client };
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_entry, index) => `Saying number ${String(index + 1).padStart(3, '0')}`);
}

async function sendAll(client: Client, bodies: readonly string[]): Promise<void> {
  for (const [index, body] of bodies.entries()) await client.do('message:send', { id: `message-${index}`, body });
}

describe('a conversation', () => {
  const stage = stagePages();

  it('shows who types, and what has been delivered and read', async () => {
    const { ada, bob } = await pair(stage);
    await bob.turn('hidden');
    await ada.field.pressSequentially('Hello');
    await bob.page.getByText('Ada is typing').waitFor();
    await ada.field.press('Enter');
    await bob.sees('Hello');
    await bob.page.getByText('Ada is typing').waitFor({ state: 'detached' });
    await ada
      .message('Hello')
      .getByText(/, delivered$/)
      .waitFor();
    await bob.turn('visible');
    await ada
      .message('Hello')
      .getByText(/, read$/)
      .waitFor();
    // Who stops in the middle of a sentence stops typing by itself.
    await bob.field.pressSequentially('Hm');
    await ada.page.getByText('Bob is typing').waitFor();
    await ada.page.getByText('Bob is typing').waitFor({ state: 'detached' });
    // A draft outlives a reload, and Shift+Enter makes a line.
    await bob.page.reload();
    await bob.sees('Hello');
    expect(await bob.field.inputValue()).toBe('Hm');
    await bob.field.press('End');
    await bob.field.press('Shift+Enter');
    await bob.field.pressSequentially('well');
    await bob.field.press('Enter');
    await ada.list.getByText('Hm\nwell').waitFor();
    expect(await ada.bodies()).toEqual(['Hello', 'Hm\nwell']);
  }, 30_000);

  it('refuses what is too long in words, and keeps it in the field', async () => {
    const { ada } = await pair(stage);
    const text = 'ä'.repeat(8_192);
    await ada.say(text);
    await ada.page.getByRole('alert').filter({ hasText: 'Too long by 2 bytes' }).waitFor();
    expect(await ada.field.inputValue()).toBe(text);
    await ada.say(text.slice(1));
    await ada.message('ää').waitFor();
    expect(await ada.field.inputValue()).toBe('');
    expect(await ada.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
  }, 30_000);

  it('loads what was said before, page after page, and the reader keeps the place', async () => {
    const { ada, client } = await pairWithClient(stage);
    const sayings = numbered(150);
    await sendAll(client, sayings);
    await ada.sees('Saying number 150');
    await ada.page.reload();
    await ada.sees('Saying number 150');
    const beginning = ada.page.getByText('This is the beginning of the conversation.');
    while (!(await beginning.isVisible())) {
      const before = (await ada.bodies()).length;
      const { text, top } = await ada.scrollToTop();
      const hasGrown = await eventually(async () => {
        const isComplete = (await ada.bodies())[0] === sayings[0];
        if ((await ada.bodies()).length === before && !isComplete) throw new Error('nothing was loaded');
        return (await ada.bodies()).length > before;
      });
      if (hasGrown) expect(Math.abs((await ada.topOf(text)) - top)).toBeLessThanOrEqual(1);
    }
    expect(await ada.bodies()).toEqual(sayings);

    // Whoever reads back is not torn away, and finds the way to the new.
    await ada.scrollToTop();
    await client.do('message:send', { id: 'message-new', body: 'Something new' });
    await ada.page.getByRole('button', { name: 'One new message' }).click();
    await ada.list.getByText('Something new').waitFor();
    await eventually(async () => {
      const distance = await ada.list.evaluate((list) => list.scrollHeight - list.scrollTop - list.clientHeight);
      expect(distance).toBeLessThanOrEqual(1);
    });
    client.close();
  }, 45_000);

  it('shows sixty hostile texts as they are, and none of them acts', async () => {
    expect(new Set(XSS_STRINGS).size).toBe(60);
    const { ada, client } = await pairWithClient(stage);
    const acts: string[] = [];
    ada.page.on('dialog', (dialog) => {
      acts.push(`dialog ${dialog.message()}`);
      void dialog.dismiss();
    });
    ada.page.on('request', (request) => {
      if (!request.url().startsWith(stage.url)) acts.push(`request ${request.url()}`);
    });
    await ada.page.evaluate(() => {
      const seen: string[] = [];
      Object.assign(window, { violations: seen });
      document.addEventListener('securitypolicyviolation', (event) => seen.push(event.violatedDirective));
    });
    await sendAll(client, XSS_STRINGS);
    await eventually(async () => expect(await ada.bodies()).toEqual([...XSS_STRINGS]));
    await ada.say('<b>mine</b>');
    await client.next('message:new');
    expect((await ada.bodies()).at(-1)).toBe('<b>mine</b>');
    expect(await ada.list.locator('.body *').count()).toBe(0);
    expect(await ada.page.evaluate(() => Reflect.get(window, 'pwned') as unknown)).toBeUndefined();
    expect(await ada.page.evaluate(() => Reflect.get(window, 'violations') as unknown)).toEqual([]);
    expect(acts).toEqual([]);
    client.close();
  }, 30_000);

  it('keeps marks and endless words inside their own message', async () => {
    const { ada, client } = await pairWithClient(stage);
    await ada.page.setViewportSize({ width: 360, height: 740 });
    await sendAll(client, ['x'.repeat(16_000), `a${'\u0301'.repeat(5_000)}`, 'plain']);
    await ada.sees('plain');
    const isWide = await ada.list.evaluate((list) => list.scrollWidth > list.clientWidth);
    expect(isWide).toBe(false);
    const overflows = await ada.list
      .locator('.message')
      .evaluateAll((messages) => messages.map((message) => getComputedStyle(message).overflowY));
    expect(overflows).toEqual(['hidden', 'hidden', 'hidden']);
    client.close();
  }, 30_000);

  it('counts down, within the default limits, to the next try, and loses nothing of what is typed meanwhile', async () => {
    const { data, server } = await ownServer({
      ...limit('messages_user'),
      ...limit('messages_ip'),
      ...limit('messages_connection'),
    });
    try {
      const { ada, bob } = await pair(stage, server.url);
      const sayings = numbered(12);
      for (const text of sayings) await ada.say(text);
      await ada.page.getByText('You are writing faster than this server allows (10 in any 60 seconds).').waitFor();
      await bob.sees('Saying number 010');
      const countdown = ada.page.getByText(/^Next try in \d+ seconds?\.$/);
      const left = async (): Promise<number> => Number(/\d+/.exec(await countdown.innerText())?.[0]);
      const first = await left();
      expect(first).toBeLessThanOrEqual(60);
      await eventually(async () => expect(await left()).toBeLessThan(first));
      expect(await ada.bodies()).toEqual(sayings);
      await ada.message('Saying number 012').getByText('waiting to be sent').waitFor();
      expect(await bob.bodies()).toEqual(sayings.slice(0, 10));
      // What can no longer be sent does not claim to wait for it.
      await ada.page.getByRole('button', { name: 'End for all' }).click();
      await ada.page.getByRole('dialog').getByRole('button', { name: 'End it' }).click();
      await ada.message('Saying number 012').getByText('not sent').waitFor();
    } finally {
      await server.kill9();
      await data.remove();
    }
  }, 45_000);

  it('keeps what is written while its server is gone, over a reload too, and sends it once and in order', async () => {
    const { data, server: first } = await ownServer();
    const { url, port } = first;
    let server = first;
    try {
      const { ada, bob } = await pair(stage, url);
      await ada.say('Before');
      await bob.sees('Before');
      const files = await filesOf(url);
      await server.kill9();
      // As behind a proxy that still has the page: what is gone is all that it talks to.
      const closeFiles = await serveFiles(port, files);

      for (const text of ['One', 'Two', 'Three']) await ada.say(text);
      await ada
        .message('Three')
        .getByText(/waiting|sending|again/)
        .waitFor();
      await ada.page.reload();
      await ada.sees('Three');
      await ada.say('Four');
      await bob.say('Five, by Bob');
      await closeFiles();
      server = await spawnServer(data.dir, { PORT: String(port) });
      for (const text of ['One', 'Two', 'Three', 'Four']) await bob.sees(text);
      await ada
        .message('Four')
        .getByText(/, (delivered|read)$/)
        .waitFor();
      await ada.sees('Five, by Bob');
      const atAda = await eventually(async () => {
        const shown = await ada.bodies();
        expect(await bob.bodies()).toEqual(shown);
        return shown;
      });
      expect(atAda.filter((text) => text !== 'Five, by Bob')).toEqual(['Before', 'One', 'Two', 'Three', 'Four']);
      expect(atAda.length).toBe(6);
    } finally {
      if (server.isRunning()) await server.kill9();
      await data.remove();
    }
  }, 60_000);
});
