//@ts-check
/** A dot that nobody moves any more goes away by itself: the signal that says so could be lost. */
const VISIBLE_MS = 3000;

/** One dot for each phone whose finger moves. */
export class Pointers {
  /** @type {Map<string, { dot: HTMLElement, timer: number }>} */
  #dots = new Map();
  #layer;

  /** @param {HTMLElement} layer */
  constructor(layer) {
    this.#layer = layer;
  }

  /**
   * @param {string} id of the phone
   * @param {string} name
   * @param {{ x: number, y: number }} position as it came from outside
   */
  move(id, name, { x, y }) {
    if (!isShare(x) || !isShare(y)) return;
    const { dot, timer } = this.#dots.get(id) ?? { dot: this.#add(), timer: 0 };
    clearTimeout(timer);
    dot.textContent = name;
    dot.style.left = `${x * 100}%`;
    dot.style.top = `${y * 100}%`;
    this.#dots.set(id, { dot, timer: window.setTimeout(() => this.#remove(id), VISIBLE_MS) });
  }

  /** Takes the dots of all others away. @param {string[]} ids of those who are still here */
  keep(ids) {
    for (const id of [...this.#dots.keys()]) if (!ids.includes(id)) this.#remove(id);
  }

  #add() {
    const dot = document.createElement('span');
    dot.className = 'pointer';
    this.#layer.append(dot);
    return dot;
  }

  /** @param {string} id */
  #remove(id) {
    const found = this.#dots.get(id);
    if (found === undefined) return;
    clearTimeout(found.timer);
    found.dot.remove();
    this.#dots.delete(id);
  }
}

/** @param {unknown} value */
function isShare(value) {
  return typeof value === 'number' && value >= 0 && value <= 1;
}
