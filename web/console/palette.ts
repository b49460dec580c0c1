/** Colours of the charts as the style sheet has them, which a canvas cannot ask for by itself. */
export interface Palette {
  line: (index: number) => string;
  ink: () => string;
  grid: () => string;
}

const LINES = 8;

/** Read anew when the colour scheme changes; `changed` is called after that. */
export function palette(changed: () => void): Palette {
  let colours = read();
  for (const query of ['(prefers-color-scheme: dark)', '(forced-colors: active)']) {
    matchMedia(query).addEventListener('change', () => {
      colours = read();
      changed();
    });
  }
  return {
    line: (index) => colours.lines[index % LINES] ?? colours.ink,
    ink: () => colours.ink,
    grid: () => colours.grid,
  };
}

function read(): { lines: string[]; ink: string; grid: string } {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  return {
    lines: Array.from({ length: LINES }, (_, index) => colour(`--line-${index + 1}`)),
    ink: colour('--ink-soft'),
    grid: colour('--line'),
  };
}
