//@ts-check
/**
 * What the pages of this example say to each other. These types are a promise among our own pages, and editors hold us
 * to it; what arrives comes from outside all the same, so whoever receives it looks at it before using it.
 *
 * Messages arrive once and in order, and are kept for a screen that is away for a moment. That is what a press of a
 * button needs.
 *
 * @typedef {object} Commands
 * @property {null} next
 * @property {null} previous
 * @property {{ slide: number }} goto counted from 1
 * @property {null} here from the screen to itself: see punctual-commands.js
 *
 * Signals may be lost, and are faster for it. That is what a movement needs: the next position replaces the one before.
 * The same holds for what the screen shows, as long as it is said again whenever something has changed.
 *
 * @typedef {object} Signals
 * @property {{ x: number, y: number }} pointer from 0 to 1, from the upper left corner
 * @property {{ slide: number, of: number, title: string }} shown what the screen shows
 * @property {{ command: string }} late the screen left this command out, because it came too late
 */

/** How old a command may become until it is carried out, in milliseconds. A slide that jumps later only confuses. */
export const MAX_AGE_MS = 10_000;

/**
 * A command in words.
 * @param {string} type
 * @param {unknown} body
 */
export function describe(type, body) {
  if (type === 'next') return 'Next';
  if (type === 'previous') return 'Previous';
  return type === 'goto' ? `Go to slide ${slideIn(body) ?? '?'}` : type;
}

/** The number of a slide in the body of a `goto`; null when there is none. @param {unknown} body */
export function slideIn(body) {
  if (typeof body !== 'object' || body === null || !('slide' in body)) return null;
  return typeof body.slide === 'number' && Number.isInteger(body.slide) ? body.slide : null;
}
