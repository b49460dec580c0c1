/**
 * Remembers what the reader has before the eyes. The returned function puts it back where it was after lines were added
 * or removed: not every browser does that by itself, and none of them at the very top.
 */
export function captureAnchor(scroller: HTMLElement, list: HTMLElement): () => void {
  const top = scroller.getBoundingClientRect().top;
  let seen = firstBelow(list.children, top);
  // The name of a day goes to the earliest message of that day, wherever it stood.
  while (seen?.classList.contains('day') === true) seen = seen.nextElementSibling;
  if (seen === null) return () => undefined;
  const before = seen.getBoundingClientRect().top;
  const anchor = seen;
  return () => {
    if (!anchor.isConnected) return;
    const moved = anchor.getBoundingClientRect().top - before;
    if (moved !== 0) scroller.scrollTop += moved;
  };
}

/** The first line that ends below this height; lines stand one below the other. */
function firstBelow(lines: HTMLCollection, top: number): Element | null {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const bottom = lines[middle]?.getBoundingClientRect().bottom ?? 0;
    if (bottom > top) high = middle;
    else low = middle + 1;
  }
  return lines[low] ?? null;
}
