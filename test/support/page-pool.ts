import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';

/**
 * Pages that go from test to test, each in a browser profile of its own. A new profile with its page costs 1.7 s of
 * processor time, one that is emptied a quarter of that. A test that leaves in a page what cannot be taken back (a script
 * that runs before all others, a clock) wants a context of its own.
 */
export class PagePool {
  readonly #browser: Browser;
  readonly #options: BrowserContextOptions;
  readonly #origins = new Map<Page, Set<string>>();
  #free: Page[] = [];
  #taken: Page[] = [];

  constructor(browser: Browser, options: BrowserContextOptions) {
    this.#browser = browser;
    this.#options = options;
  }

  async take(): Promise<Page> {
    const page = this.#free.shift() ?? (await this.#newPage());
    const origins = new Set<string>();
    this.#origins.set(page, origins);
    page.on('framenavigated', (frame) => {
      const { origin } = new URL(frame.url());
      // That of about:blank.
      if (origin !== 'null') origins.add(origin);
    });
    this.#taken.push(page);
    return page;
  }

  /** Empties all that were taken: for the end of a test. */
  async takeBack(): Promise<void> {
    await Promise.all(this.#taken.splice(0).map((page) => this.#takeBack(page)));
  }

  async #newPage(): Promise<Page> {
    const context = await this.#browser.newContext(this.#options);
    return context.newPage();
  }

  async #takeBack(page: Page): Promise<void> {
    const context = page.context();
    try {
      await this.#empty(page, context);
      this.#free.push(page);
    } catch {
      // Closed or gone by the test: the next one gets another.
      await context.close();
    }
  }

  async #empty(page: Page, context: BrowserContext): Promise<void> {
    for (const other of context.pages()) if (other !== page) await other.close();
    await page.unrouteAll();
    // A page without scripts at each address: what the page of the test does when it goes must not undo it.
    await page.route('**', (route) => route.fulfill({ contentType: 'text/html', body: '' }));
    for (const origin of this.#origins.get(page) ?? []) {
      await page.goto(`${origin}/empty`);
      await page.evaluate(() => {
        localStorage.clear();
        sessionStorage.clear();
      });
    }
    await page.unrouteAll();
    await page.goto('about:blank');
    await context.clearCookies();
    await page.emulateMedia({ colorScheme: this.#options.colorScheme ?? null });
    if (this.#options.viewport) await page.setViewportSize(this.#options.viewport);
    page.removeAllListeners();
  }
}
