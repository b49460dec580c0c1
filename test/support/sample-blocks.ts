import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** A fenced block of a page: ```` ```js run=talk ````. */
export interface SampleBlock {
  readonly page: string;
  /** Of its fence, counted from 1. */
  readonly line: number;
  readonly language: string;
  /** What stands behind the language: what is done with it. */
  readonly mark: string;
  readonly text: string;
}

const root = path.join(import.meta.dirname, '../..');

/** Every page that a reader may copy something out of. */
function samplePages(): string[] {
  const markdown = (directory: string) =>
    readdirSync(path.join(root, directory), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.md'))
      .map((file) => path.join(directory, file));
  const rooms = ['client', 'bench', 'examples'].map((room) => `${room}/README.md`);
  return ['README.md', 'CONTRIBUTING.md', ...rooms, ...markdown('docs'), ...markdown('deploy')];
}

export function sampleBlocks(): SampleBlock[] {
  return samplePages().flatMap((page) => blocksOf(page, readFileSync(path.join(root, page), 'utf8')));
}

export function blocksOf(page: string, markdown: string): SampleBlock[] {
  return [...markdown.matchAll(/^( *)```(\S*)(?: +(.*?))? *\n(.*?)^\1``` *$/gms)].map((found) => {
    const [, indent = '', language = '', mark = '', text = ''] = found;
    return {
      ...{ page, language, mark },
      line: markdown.slice(0, found.index).split('\n').length,
      text: text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    };
  });
}
