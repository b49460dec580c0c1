/**
 * Draws a profile of Node.js (`--cpu-prof`) as a flame picture, without idle time:
 *
 *   tsx bench/flame-picture.ts <file.cpuprofile> <file.svg>
 *
 * Width is time of the processor, callers lie above what they call. What is narrower than 0.4 % is left out.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { z } from 'zod';

const profileSchema = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string() }),
      children: z.array(z.number()).optional(),
    }),
  ),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});
type Profile = z.infer<typeof profileSchema>;

const [WIDTH, ROW, LEAST] = [1200, 16, 0.004];
/** By who wrote it: ours, libraries, Node.js and the system. */
const COLOURS = { ours: '#f2a65a', library: '#8fb8de', system: '#c9c9c9' };

interface Frame {
  readonly name: string;
  readonly kind: keyof typeof COLOURS;
  time: number;
  readonly children: Map<string, Frame>;
}

function framesOf({ nodes, samples, timeDeltas }: Profile): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id] as const)));
  const root: Frame = { name: 'all', kind: 'system', time: 0, children: new Map() };
  for (const [index, sample] of samples.entries()) {
    const path = [];
    for (let id: number | undefined = sample; id !== undefined; id = parents.get(id)) path.unshift(byId.get(id));
    const frames = path.slice(1).map((node) => node?.callFrame ?? { functionName: '', url: '' });
    if (frames.some(({ functionName, url }) => functionName === '(idle)' || url.includes('inspector'))) continue;
    const time = timeDeltas[index] ?? 0;
    root.time += time;
    let frame = root;
    for (const { functionName, url } of frames) frame = childOf(frame, functionName, url, time);
  }
  return root;
}

function childOf(parent: Frame, functionName: string, url: string, time: number): Frame {
  const kind = url.includes('node_modules') ? 'library' : url.includes('/dist/') ? 'ours' : 'system';
  const name = `${functionName === '' ? '(anonymous)' : functionName} ${url.split('/').at(-1) ?? ''}`.trim();
  const child = parent.children.get(name) ?? { name, kind, time: 0, children: new Map<string, Frame>() };
  child.time += time;
  parent.children.set(name, child);
  return child;
}

function draw(root: Frame): string {
  const boxes: string[] = [];
  let depth = 0;
  const place = (frame: Frame, x: number, level: number): void => {
    const width = (frame.time / root.time) * WIDTH;
    if (frame.time < root.time * LEAST) return;
    depth = Math.max(depth, level + 1);
    const share = ((100 * frame.time) / root.time).toFixed(1);
    const text = width > 40 ? frame.name.slice(0, Math.floor(width / 6.2)) : '';
    const y = level * ROW;
    boxes.push(
      `<g><title>${escaped(frame.name)}: ${share} %</title>`,
      `<rect x="${x.toFixed(1)}" y="${y}" width="${Math.max(0.5, width - 0.5).toFixed(1)}" height="${ROW - 1}" fill="${COLOURS[frame.kind]}"/>`,
      text === '' ? '' : `<text x="${(x + 2).toFixed(1)}" y="${y + 11}">${escaped(text)}</text>`,
      '</g>',
    );
    let at = x;
    for (const child of [...frame.children.values()].sort((one, other) => other.time - one.time)) {
      place(child, at, level + 1);
      at += (child.time / root.time) * WIDTH;
    }
  };
  place(root, 0, 0);
  const size = `viewBox="0 0 ${WIDTH} ${depth * ROW}" width="${WIDTH}" height="${depth * ROW}"`;
  const style = '<style>text{font:10px monospace;fill:#222}</style>';
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${style}${boxes.join('')}</svg>\n`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

const [from, to] = process.argv.slice(2);
if (from === undefined || to === undefined) {
  console.error('usage: tsx bench/flame-picture.ts <file.cpuprofile> <file.svg>');
  process.exitCode = 1;
} else {
  const profile = profileSchema.parse(JSON.parse(readFileSync(from, 'utf8')));
  writeFileSync(to, draw(framesOf(profile)));
}
