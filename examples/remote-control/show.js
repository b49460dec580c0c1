//@ts-check
import { element } from './element.js';

/** How many commands are remembered; more than can be under way at any time. */
const REMEMBERED = 200;
const STORAGE_KEY = 'slides';

/** The slides, and which one is shown. Survives a reload together with the seat: both lie in sessionStorage. */
export class Show {
  /** Counted from 1. */
  slide = 1;
  #slides = [...element('stage', HTMLElement).querySelectorAll('section')];
  #session = '';
  /**
   * The commands that were carried out last. The library hands out each message once. But if the server's store lost
   * something, it starts anew from what it still has, and the senders repeat the rest, under the same ids.
   * @type {string[]}
   */
  #done = [];

  get count() {
    return this.#slides.length;
  }

  get title() {
    return this.#slides[this.slide - 1]?.querySelector('h1')?.textContent ?? '';
  }

  /** Goes on with what this tab has stored for this session, or from the first slide on. @param {string} session */
  begin(session) {
    const stored = JSON.parse(sessionStorage.getItem(STORAGE_KEY) ?? 'null');
    const isSame = stored?.session === session;
    this.#session = session;
    this.#done = isSame ? stored.done : [];
    this.go(isSame ? stored.slide : 1);
  }

  /**
   * Does nothing for a command that was carried out before. Beyond the first and the last slide there is none.
   * @param {number} slide
   * @param {{ from: string, id: string }} [command]
   */
  go(slide, command) {
    if (command !== undefined) {
      // Each sender chooses its own ids, so only both together tell commands apart.
      const key = `${command.from} ${command.id}`;
      if (this.#done.includes(key)) return;
      this.#done = [...this.#done, key].slice(-REMEMBERED);
    }
    this.slide = Math.min(Math.max(slide, 1), this.count);
    this.#slides.forEach((section, index) => (section.hidden = index !== this.slide - 1));
    sessionStorage.setItem(
      STORAGE_KEY,
      JSON.stringify({ session: this.#session, slide: this.slide, done: this.#done }),
    );
  }
}
