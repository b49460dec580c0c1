import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import type { AxeResults, RunOptions } from 'axe-core';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { copyDataDirectory } from './data-directory.ts';
import type { Environment } from './environment.ts';
import { PagePool } from './page-pool.ts';
import { spawnServer } from './spawned-server.ts';
import type { SpawnedServer } from './spawned-server.ts';

const pages = path.resolve(import.meta.dirname, '../../dist/web/index.html');
/** Decides nothing but how long a failing test takes. */
const DEADLINE_MS = 20_000;
/** Resolves to the server of the stage, but is no loopback address to the browser: no secure context. */
export const PLAIN_HOST = 'tandem.test';

const PHONE = { width: 360, height: 740 };
const DESKTOP = { width: 1280, height: 800 };

export function launchChromium(args: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
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
      `--host-resolver-rules=MAP ${PLAIN_HOST} 127.0.0.1`,
      ...args,
    ],
  });
}

/** A visitor of the pairing page, in a browser profile of its own. */
export class Visitor {
  readonly page: Page;
  readonly faults: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(DEADLINE_MS);
    page.on('pageerror', (error) => this.faults.push(String(error)));
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) this.faults.push(message.text());
    });
  }

  async start(url: string, name: string, options: { isEncrypted?: boolean } = {}): Promise<string> {
    await this.page.goto(url);
    await this.page.getByLabel('Your name').fill(name);
    if (options.isEncrypted === true) await this.page.getByLabel('End-to-end encrypted').check();
    await this.button('Start a session').click();
    return this.code();
  }

  async join(url: string, typed: string, name: string): Promise<void> {
    await this.page.goto(url);
    await this.page.getByLabel('Your name').fill(name);
    await this.type(typed);
  }

  async type(typed: string): Promise<void> {
    await this.page.getByLabel('Code', { exact: true }).fill(typed);
    await this.button('Join with a code').click();
  }

  async code(): Promise<string> {
    const code = this.page.getByLabel('Pairing code', { exact: true });
    await code.waitFor();
    return (await code.innerText()).trim();
  }

  link(): Promise<string> {
    return this.page.getByLabel('Link', { exact: true }).inputValue();
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name, ...(typeof name === 'string' ? { exact: true } : {}) });
  }

  /** Answers the question that the page asks. */
  async confirm(yes: string): Promise<void> {
    await this.page.getByRole('dialog').getByRole('button', { name: yes, exact: true }).click();
  }

  /** The line of somebody in the list of participants. */
  person(name: string): Locator {
    return this.page.getByRole('list', { name: 'Participants' }).getByRole('listitem').filter({ hasText: name });
  }

  async isTold(text: string | RegExp): Promise<void> {
    await this.page.getByText(text).filter({ visible: true }).first().waitFor();
  }

  /**
   * Faults of accessibility, or a page wider than the screen, in both sizes and both colour schemes. What a scheme
   * changes is colours alone: in the second one only the contrast is looked at, which takes a third of the time.
   */
  async assertAccessible(screen: string): Promise<void> {
    const faults: string[] = [];
    for (const viewport of [PHONE, DESKTOP]) {
      await this.page.setViewportSize(viewport);
      for (const [colorScheme, rule] of [
        ['light', null],
        ['dark', 'color-contrast'],
      ] as const) {
        await this.page.emulateMedia({ colorScheme });
        const found = await axe(this.page, rule);
        faults.push(...found.map((fault) => `${screen}, ${viewport.width} px, ${colorScheme}: ${fault}`));
      }
    }
    expect(faults).toEqual([]);
  }
}

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

async function axe(page: Page, rule: string | null): Promise<string[]> {
  // Only where it is asked for: half a megabyte in every page that loads costs more than most tests.
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(readFileSync(AXE, 'utf8'));
  return page.evaluate(async (only) => {
    const { axe: checker } = globalThis as unknown as { axe: { run: (options: RunOptions) => Promise<AxeResults> } };
    const { violations } = await checker.run({
      resultTypes: ['violations'],
      ...(only === null ? {} : { runOnly: [only] }),
    });
    const faults = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth > clientWidth ? [...faults, `scrolls sideways by ${scrollWidth - clientWidth} px`] : faults;
  }, rule);
}

export interface PageStage {
  /** Of the server that all tests of the file share. */
  readonly url: string;
  readonly server: SpawnedServer;
  /** With options, be they none, in a browser profile that is no other test's. */
  visitor: (options?: BrowserContextOptions) => Promise<Visitor>;
  /** In another browser than the stage's own. */
  visitorOf: (browser: Browser) => Promise<Visitor>;
}

/**
 * One server and one browser for the tests of a file, whose pages are emptied after each test. Every visitor must have had
 * a page without faults.
 */
export function stagePages(env: Environment = {}): PageStage {
  let data: Awaited<ReturnType<typeof copyDataDirectory>> | undefined;
  let server: SpawnedServer | undefined;
  let browser: Browser | undefined;
  let pool: PagePool | undefined;
  let contexts: BrowserContext[] = [];
  let visitors: Visitor[] = [];

  beforeAll(async () => {
    if (!existsSync(pages)) throw new Error(`${pages} is missing: run "npm run build" before this test`);
    data = await copyDataDirectory();
    [server, browser] = await Promise.all([spawnServer(data.dir, env), launchChromium()]);
    pool = new PagePool(browser, { viewport: DESKTOP });
  }, 90_000);
  afterEach(async () => {
    await Promise.all([pool?.takeBack(), ...contexts.map((context) => context.close())]);
    const faults = visitors.flatMap((visitor) => visitor.faults);
    contexts = [];
    visitors = [];
    expect(faults).toEqual([]);
  });
  afterAll(async () => {
    await browser?.close();
    if (server?.isRunning() === true) await server.kill9();
    await data?.remove();
  });

  const visitorAt = (page: Page): Visitor => {
    const visitor = new Visitor(page);
    visitors.push(visitor);
    return visitor;
  };
  const visitorIn = async (where: Browser, options: BrowserContextOptions): Promise<Visitor> => {
    const context = await where.newContext({ viewport: DESKTOP, ...options });
    contexts.push(context);
    return visitorAt(await context.newPage());
  };
  const running = (): SpawnedServer => {
    if (server === undefined) throw new Error('the stage has no server: beforeAll failed');
    return server;
  };
  return {
    get server() {
      return running();
    },
    get url() {
      return running().url;
    },
    visitor: async (options) => {
      if (browser === undefined || pool === undefined) throw new Error('the stage has no browser: beforeAll failed');
      return options === undefined ? visitorAt(await pool.take()) : visitorIn(browser, options);
    },
    visitorOf: (other) => visitorIn(other, {}),
  };
}
