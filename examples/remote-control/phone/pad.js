//@ts-check
/** Most positions in a second are 20: enough for the eye, and well below what a server takes (50). */
const EVERY_MS = 50;
const KEY_STEP = 0.04;

/** @type {Record<string, [number, number]>} */
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** A surface that tells where a finger is, or where the arrow keys have moved to. */
export class Pad {
  #surface;
  #onMove;
  #x = 0.5;
  #y = 0.5;
  /** Whether the latest position waits for its turn. */
  #isWaiting = false;

  /**
   * @param {HTMLElement} surface
   * @param {(position: { x: number, y: number }) => void} onMove at most every 50 ms, always with the latest position
   */
  constructor(surface, onMove) {
    this.#surface = surface;
    this.#onMove = onMove;
    surface.addEventListener('pointerdown', (event) => {
      // A finger that leaves the surface while it is down still moves.
      surface.setPointerCapture(event.pointerId);
      this.#follow(event);
    });
    surface.addEventListener('pointermove', (event) => {
      // A mouse moves without being pressed, a finger cannot.
      if (event.buttons !== 0) this.#follow(event);
    });
    surface.addEventListener('keydown', (event) => {
      const [x, y] = KEYS[event.key] ?? [0, 0];
      if (x === 0 && y === 0) return;
      // Not the page as well.
      event.preventDefault();
      this.#moveTo(this.#x + x * KEY_STEP, this.#y + y * KEY_STEP);
    });
  }

  /** @param {PointerEvent} event */
  #follow({ clientX, clientY }) {
    const { left, top, width, height } = this.#surface.getBoundingClientRect();
    this.#moveTo((clientX - left) / width, (clientY - top) / height);
  }

  /** @param {number} x @param {number} y */
  #moveTo(x, y) {
    this.#x = Math.min(Math.max(x, 0), 1);
    this.#y = Math.min(Math.max(y, 0), 1);
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    setTimeout(() => {
      this.#isWaiting = false;
      this.#onMove({ x: this.#x, y: this.#y });
    }, EVERY_MS);
  }
}
