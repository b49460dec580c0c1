import type { BrowserContext, Page } from 'playwright-core';
import type * as Library from '../../client/index.ts';
import { Mailbox } from './mailbox.ts';

const DEADLINE_MS = 40_000;
const MODULE = '/client/tandem.js';

/** Something that the library told the application of the tab. */
export interface Told {
  readonly event: string;
  /** JSON; of an error its code. */
  readonly payload: unknown;
}

export interface TabMessage {
  readonly seq: number;
  readonly body: unknown;
  readonly isOwn: boolean;
}

/** Where the client of the tab keeps its seat: `default` is what the library takes by itself. */
export type TabStorage = 'default' | 'localStorage';

export interface TabOptions {
  readonly storage?: TabStorage;
  /** Its clocks jump when the browser stands still; see `fallAsleep`. */
  readonly sleeps?: { readonly forMs: number; readonly isMonotonicToo: boolean };
}

type Opening =
  | { readonly kind: 'create'; readonly options: Library.CreateOptions }
  | { readonly kind: 'join'; readonly target: string }
  | { readonly kind: 'takeOver'; readonly handover: string }
  | { readonly kind: 'restore' };

/** What the page has as an application of its own. */
interface Application {
  start: (url: string, options: TabOptions) => Promise<void>;
  open: (opening: Opening) => Promise<{ id: string; participantId: string; link: string | null }>;
  client: () => Library.TandemClient;
  session: () => Library.TandemSession;
  fallAsleep: () => void;
  aheadMs: () => number;
}

type PageWorld = typeof globalThis & { application: Application; tell: (event: string, payload: unknown) => void };

/**
 * A page of an application in Chromium with the library as the server serves it. What the library tells is kept in the
 * order in which it was told, over reloads too.
 */
export class LibraryTab {
  readonly page: Page;
  readonly told = new Mailbox<Told>(({ event, payload }) => `${event} ${JSON.stringify(payload)}`);
  readonly #url: string;
  readonly #options: TabOptions;

  private constructor(page: Page, url: string, options: TabOptions) {
    this.page = page;
    this.#url = url;
    this.#options = options;
  }

  /** `url` is the server's origin, whose page the tab is. */
  static async open(context: BrowserContext, url: string, options: TabOptions = {}): Promise<LibraryTab> {
    const page = await context.newPage();
    page.setDefaultTimeout(DEADLINE_MS);
    const tab = new LibraryTab(page, url, options);
    await page.exposeFunction('tell', (event: string, payload: unknown) => tab.told.put({ event, payload }));
    page.on('pageerror', (error) => tab.told.put({ event: 'fault', payload: String(error) }));
    await page.addInitScript(installApplication);
    await tab.load();
    return tab;
  }

  /** Loads the page, or loads it again. */
  async load(): Promise<void> {
    // Of the server's origin, and without a client of its own: the text of the library, which nothing runs.
    await this.page.goto(this.#url + MODULE);
    await this.page.evaluate(([url, options]) => (globalThis as PageWorld).application.start(url, options), [
      this.#url + MODULE,
      this.#options,
    ] as const);
  }

  /** Rejects with the code of the error. */
  async take(opening: Opening): Promise<{ id: string; participantId: string; link: string | null }> {
    // As text: the types of the browser's driver do not take JSON of any depth.
    const text = JSON.stringify(opening);
    return this.page.evaluate(
      (wanted) => (globalThis as PageWorld).application.open(JSON.parse(wanted) as Opening),
      text,
    );
  }

  /** Queues messages without waiting for their answers, which come as `sent` or `failed`. */
  async say(...bodies: string[]): Promise<void> {
    await this.page.evaluate((texts) => {
      const session = (globalThis as PageWorld).application.session();
      // That it failed is told as an event, too.
      for (const text of texts) session.send('text', text).catch(() => undefined);
    }, bodies);
  }

  /** Another listener of the application, which tells under another name. */
  async addListener(event: keyof Library.SessionEvents, name: string): Promise<void> {
    await this.page.evaluate(
      ([wanted, told]) => {
        const world = globalThis as PageWorld;
        world.application.session().on(wanted, () => world.tell(told, null));
      },
      [event, name] as const,
    );
  }

  async resumeHere(): Promise<void> {
    await this.page.evaluate(() => (globalThis as PageWorld).application.session().resumeHere());
  }

  async leave(): Promise<void> {
    await this.page.evaluate(() => (globalThis as PageWorld).application.session().leave());
  }

  /** Ends the connection and keeps the seat. */
  async disconnect(): Promise<void> {
    await this.page.evaluate(() => (globalThis as PageWorld).application.client().close());
  }

  /** The next time that it waits for its next attempt to connect, it is told of a network; true when that ends the wait. */
  async hurriesWhenOnline(): Promise<boolean> {
    return this.page.evaluate(() => {
      const client = (globalThis as PageWorld).application.client();
      const isWaiting = (): boolean => client.connection.kind === 'reconnecting' && client.connection.retryAt !== null;
      return new Promise<boolean>((resolve) => {
        const off = client.on('connection', () => {
          if (!isWaiting()) return;
          off();
          // When the library has finished telling, and before any timer.
          queueMicrotask(() => {
            dispatchEvent(new Event('online'));
            resolve(!isWaiting());
          });
        });
      });
    });
  }

  async queue(): Promise<unknown[]> {
    return this.page.evaluate(() => (globalThis as PageWorld).application.session().queue.map(({ body }) => body));
  }

  async connection(): Promise<string> {
    return this.page.evaluate(() => (globalThis as PageWorld).application.client().connection.kind);
  }

  /** Resolves when everything that the server sent to the tab before has been told. */
  async barrier(): Promise<void> {
    await this.page.evaluate(() => (globalThis as PageWorld).application.session().reportActivity('active'));
  }

  /** From now on the clocks of the tab jump, as soon as it notices that it stood still. */
  async fallAsleep(): Promise<void> {
    await this.page.evaluate(() => (globalThis as PageWorld).application.fallAsleep());
  }

  /** How far its clock is ahead of the one of its machine. */
  async aheadMs(): Promise<number> {
    return this.page.evaluate(() => (globalThis as PageWorld).application.aheadMs());
  }

  async next(event: string, matches: (payload: unknown) => boolean = () => true): Promise<unknown> {
    const isIt = (told: Told): boolean => told.event === event && matches(told.payload);
    return (await this.told.next(event, isIt, DEADLINE_MS)).payload;
  }

  /** The next time that the connection is as wanted. */
  async comesTo(kind: Library.ConnectionState['kind']): Promise<void> {
    await this.next('connection', (state) => (state as Library.ConnectionState).kind === kind);
  }

  /** Resolves when a message with this body was handed out. */
  async hears(body: string): Promise<void> {
    await this.next('message', (message) => (message as TabMessage).body === body);
  }

  all(event: string): unknown[] {
    return this.told.all.flatMap((told) => (told.event === event ? [told.payload] : []));
  }

  get bodies(): unknown[] {
    return (this.all('message') as TabMessage[]).map(({ body }) => body);
  }

  get seqs(): number[] {
    return (this.all('message') as TabMessage[]).map(({ seq }) => seq);
  }
}

/** Runs in the page, before anything else there: it stands for the application, and knows nothing outside itself. */
function installApplication(): void {
  /** Longer than a page of the tests is ever kept from running, shorter than any sleep that a server notices. */
  const STOOD_STILL_MS = 6_000;
  const EVENTS = [
    ...(['message', 'gap', 'reset', 'undecipherable', 'signal', 'sent', 'failed', 'closed', 'ended'] as const),
    'unstored' as const,
  ];
  const world = globalThis as PageWorld;
  let library: typeof Library;
  let client: Library.TandemClient;
  let session: Library.TandemSession | null = null;
  let asleepSince: number | null = null;
  let aheadMs = (): number => 0;

  const codeOf = (error: unknown): string => (error as { code?: string }).code ?? String(error);
  /** What can be told in JSON. */
  const plain = (payload: unknown): unknown =>
    JSON.parse(
      JSON.stringify(payload ?? null, (_key, value: unknown) => (value instanceof Error ? codeOf(value) : value)),
    );

  function watch(opened: Library.TandemSession): Library.TandemSession {
    session = opened;
    for (const event of EVENTS) opened.on(event, (payload) => world.tell(event, plain(payload)));
    return opened;
  }

  /** The device's clocks; `performance` goes on during the sleep of some devices, and stands still on others. */
  function sleepingClock({ forMs, isMonotonicToo }: NonNullable<TabOptions['sleeps']>) {
    aheadMs = () => (asleepSince !== null && performance.now() - asleepSince > STOOD_STILL_MS ? forMs : 0);
    return {
      now: () => Date.now() + aheadMs(),
      monotonic: () => performance.now() + (isMonotonicToo ? aheadMs() : 0),
      after: (delayMs: number, callback: () => void) => {
        const timer = setTimeout(callback, delayMs);
        return () => clearTimeout(timer);
      },
    };
  }

  world.application = {
    start: async (url, { storage = 'default', sleeps }) => {
      library = (await import(url)) as typeof Library;
      client = new library.TandemClient(
        storage === 'default' ? {} : { storage: localStorage },
        sleeps === undefined ? {} : { clock: sleepingClock(sleeps) },
      );
      client.on('connection', (state) => world.tell('connection', plain(state)));
    },
    open: async (opening) => {
      try {
        if (opening.kind === 'create') watch(await client.create(opening.options));
        else if (opening.kind === 'join') watch(await client.join(opening.target));
        else if (opening.kind === 'takeOver') watch(await client.takeOver(opening.handover));
        else {
          const restored = client.restore();
          if (restored === null) throw new Error('there is no seat in the storage');
          watch(restored);
        }
      } catch (error) {
        throw new Error(codeOf(error), { cause: error });
      }
      const { id, participantId } = world.application.session();
      return { id, participantId, link: world.application.session().link() };
    },
    client: () => client,
    session: () => {
      if (session === null) throw new Error('the tab has no session');
      return session;
    },
    fallAsleep: () => {
      asleepSince = performance.now();
    },
    aheadMs: () => aheadMs(),
  };
}
