import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { copyDataDirectory } from './support/data-directory.ts';
import { spawnServer } from './support/spawned-server.ts';
import type { SpawnedServer } from './support/spawned-server.ts';

const pages = path.resolve(import.meta.dirname, '../dist/web/index.html');
const DEADLINE_MS = 20_000;

/** What somebody sees and does on the pairing page. */
class Person {
  readonly page: Page;
  readonly #name: string;
  readonly faults: string[] = [];

  constructor(name: string, page: Page) {
    this.#name = name;
    this.page = page;
    page.setDefaultTimeout(DEADLINE_MS);
    page.on('pageerror', (error) => this.faults.push(String(error)));
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) this.faults.push(message.text());
    });
  }

  async startSession(url: string): Promise<string> {
    await this.page.goto(url);
    await this.page.getByLabel('Your name').fill(this.#name);
    await this.page.getByRole('button', { name: 'Start a session' }).click();
    const code = this.page.getByLabel('Pairing code', { exact: true });
    // It stands in the page before it is filled and shown.
    await code.waitFor();
    return (await code.innerText()).trim();
  }

  async join(url: string, code: string): Promise<void> {
    await this.page.goto(url);
    await this.page.getByLabel('Your name').fill(this.#name);
    await this.page.getByLabel('Code', { exact: true }).fill(code);
    await this.page.getByRole('button', { name: 'Join with a code' }).click();
  }

  async say(text: string): Promise<void> {
    const line = this.page.getByRole('textbox', { name: 'Message' });
    await line.fill(text);
    await line.press('Enter');
  }

  async sees(text: string): Promise<void> {
    await this.#messages().getByText(text, { exact: true }).waitFor();
  }

  /** Its own message stands on the screen as sent. */
  async hasSent(text: string): Promise<void> {
    await this.#messages()
      .getByRole('listitem')
      .filter({ hasText: text })
      .getByText(/\b(sent|delivered|read)\b/)
      .waitFor();
  }

  async isTold(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).first().waitFor();
  }

  async seesOnline(name: string): Promise<void> {
    const people = this.page.getByRole('list', { name: 'Participants' }).getByRole('listitem');
    await people
      .filter({ hasText: name })
      .getByText(/\bonline\b/)
      .waitFor();
  }

  /** Every saying on the screen, in order. */
  async sayings(): Promise<string[]> {
    const lines = await this.#messages().getByRole('listitem').allInnerTexts();
    return lines.flatMap((line) => /\w+ says \d+/.exec(line)?.[0] ?? []);
  }

  #messages() {
    return this.page.getByRole('log', { name: 'Messages' });
  }
}

describe('two browsers', () => {
  let browser: Browser;
  let data: Awaited<ReturnType<typeof copyDataDirectory>>;
  let server: SpawnedServer;
  let contexts: BrowserContext[];

  beforeAll(async () => {
    if (!existsSync(pages)) throw new Error(`${pages} is missing: run "npm run build" before this test`);
    browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: [
        '--headless=new',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    data = await copyDataDirectory();
    server = await spawnServer(data.dir);
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    if (server.isRunning()) await server.kill9();
    await data.remove();
  });
  beforeEach(async () => {
    contexts = [];
    // A test that failed may have left it dead.
    if (!server.isRunning()) server = await spawnServer(data.dir);
  });
  afterEach(async () => {
    await Promise.all(contexts.map((context) => context.close()));
  });

  async function person(name: string): Promise<Person> {
    const context = await browser.newContext();
    contexts.push(context);
    return new Person(name, await context.newPage());
  }

  it('pair and talk, one reloads, the server is killed, and nothing is lost or doubled', async () => {
    const ada = await person('Ada');
    const bob = await person('Bob');
    const code = await ada.startSession(server.url);
    expect(code).toMatch(/^[2-9BCDFGHJKMNPQRSTVWXYZ]{3}-[2-9BCDFGHJKMNPQRSTVWXYZ]{3}$/);
    await bob.join(server.url, code.toLowerCase());
    await ada.seesOnline('Bob');
    await bob.seesOnline('Ada');

    const expected: string[] = [];
    const exchange = async (speaker: Person, listener: Person, saying: string) => {
      expected.push(saying);
      await speaker.say(saying);
      await listener.sees(saying);
      await speaker.hasSent(saying);
    };
    await exchange(ada, bob, 'Ada says 1');
    await exchange(bob, ada, 'Bob says 2');

    await bob.page.reload();
    await bob.sees('Bob says 2');
    await ada.seesOnline('Bob');
    expect(await bob.sayings()).toEqual(expected);
    await exchange(ada, bob, 'Ada says 3');
    await exchange(bob, ada, 'Bob says 4');

    const { port } = server;
    await server.kill9();
    await ada.isTold(/connection is lost/i);
    await bob.isTold(/connection is lost/i);
    // Said while nobody is there to hear it.
    await ada.say('Ada says 5');
    server = await spawnServer(data.dir, { PORT: String(port) });
    await bob.sees('Ada says 5');
    await ada.hasSent('Ada says 5');
    expected.push('Ada says 5');
    await exchange(bob, ada, 'Bob says 6');

    // Out of the way, and back at the server's side of the story.
    expect(await ada.sayings()).toEqual(expected);
    expect(await bob.sayings()).toEqual(expected);
    await ada.page.reload();
    await ada.sees('Bob says 6');
    expect(await ada.sayings()).toEqual(expected);
    expect([...ada.faults, ...bob.faults]).toEqual([]);
  }, 120_000);

  it('meet by the link, and hostile names and texts stay text', async () => {
    const hostile = '<img src=x onerror="document.title=\'broken\'">';
    const ada = await person('<svg onload="document.title=\'broken\'">');
    const bob = await person('Bob');
    await ada.startSession(server.url);
    const link = await ada.page.getByLabel('Link', { exact: true }).inputValue();
    expect(link).toContain(server.url);
    await bob.page.goto(link);
    await ada.isTold('Somebody has joined.');
    await ada.say(hostile);
    await bob.sees(hostile);
    expect(await bob.page.title()).not.toBe('broken');
    expect(await ada.page.title()).not.toBe('broken');
    for (const { page } of [ada, bob])
      expect(await page.locator('main img[src="x"], main svg[onload]').count()).toBe(0);
    expect([...ada.faults, ...bob.faults]).toEqual([]);
  }, 120_000);

  it('are told in words when a code is wrong', async () => {
    const bob = await person('Bob');
    await bob.join(server.url, 'ZZZ-ZZZ');
    await bob.isTold(/no session with this code/i);
    await bob.page.getByLabel('Code', { exact: true }).fill('AEI-OU1');
    await bob.page.getByRole('button', { name: 'Join with a code' }).click();
    await bob.isTold(/no code contains/i);
  }, 60_000);
});
