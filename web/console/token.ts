/**
 * The admin token, for as long as the tab is open: a reload goes on, a new tab asks. Where the browser keeps nothing for a
 * tab, it lives in memory alone.
 */
const KEY = 'tandem.console.token';

export class TabToken {
  #token: string | null = null;

  get(): string | null {
    this.#token ??= quietly(() => sessionStorage.getItem(KEY));
    return this.#token;
  }

  set(token: string): void {
    this.#token = token;
    quietly(() => sessionStorage.setItem(KEY, token));
  }

  forget(): void {
    this.#token = null;
    quietly(() => sessionStorage.removeItem(KEY));
  }
}

/** Storage that is switched off throws at every touch; then there is none, and the page goes on without. */
function quietly<T>(touch: () => T): T | null {
  try {
    return touch();
  } catch {
    return null;
  }
}
