import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { COMMAND_NAMES } from '../protocol/commands.ts';
import { ERRORS } from '../protocol/errors.ts';
import { EVENT_NAMES } from '../protocol/events.ts';
import { LIMITS } from '../protocol/limits.ts';
import { CONTENTS } from '../scripts/docs-contents.js';
import { buildDocs } from '../scripts/build-docs.js';
import { renderDocs } from '../scripts/render-docs.js';

const root = path.join(import.meta.dirname, '..');
const TEMPLATE = '<title>{{title}}</title>{{content}}<nav>{{turn}}</nav><nav>{{contents}}</nav>';

let directory: string;
/** Every page by the address at which it is served. */
const pages = new Map<string, string>();
const files = new Set<string>();

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'tandem-docs-'));
  await buildDocs({ root, to: directory, template: TEMPLATE, code: { directory: root, ending: '.ts' } });
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const name = path.relative(directory, path.join(entry.parentPath, entry.name)).split(path.sep).join('/');
    files.add(`/docs/${name}`);
    if (name.endsWith('.html')) pages.set(`/docs/${name}`, await readFile(path.join(directory, name), 'utf8'));
  }
}, 60_000);
afterAll(() => rm(directory, { recursive: true, force: true }));

const page = (name: string): string => pages.get(`/docs/${name}.html`) ?? '';
const idsOf = (html: string) => [...html.matchAll(/ id="([^"]+)"/g)].map(([, id = '']) => id);
const linksOf = (html: string) => [...html.matchAll(/ (?:href|src)="([^"]+)"/g)].map(([, address = '']) => address);

describe('the documentation', () => {
  it('has no link that leads nowhere, in text, lists and pictures', () => {
    const broken: string[] = [];
    for (const [address, html] of pages) {
      expect(new Set(idsOf(html)).size).toBe(idsOf(html).length);
      for (const link of linksOf(html)) {
        // Others are the business of others; what the server makes itself is not written by the build.
        if (/^https?:/.test(link) || link === '/api/v1/openapi.json') continue;
        const { pathname, hash } = new URL(link, `http://tandem${address}`);
        const target = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
        const isThere = files.has(target) && (hash === '' || idsOf(pages.get(target) ?? '').includes(hash.slice(1)));
        if (!isThere) broken.push(`${address}: ${link}`);
      }
    }
    expect(broken).toEqual([]);
    expect(pages.size).toBeGreaterThan(25);
  });

  it('can be read from the first page to the last, and every page is listed on every other', () => {
    const order = CONTENTS.flatMap(({ entries }) => entries.map(({ file }) => `/docs/${file.replace('.md', '.html')}`));
    const walked: string[] = [];
    for (let next = order[0]; next !== undefined && walked.length <= pages.size;) {
      walked.push(next);
      next = / href="([^"]+)" rel="next"/.exec(pages.get(next) ?? '')?.[1];
    }
    expect(walked.slice(0, order.length)).toEqual(order);
    expect(walked.slice(order.length)).toEqual([...pages.keys()].filter((one) => one.includes('/adr/')).sort());
    for (const [address, html] of pages) {
      expect([address, order.filter((one) => !html.includes(`<li><a href="${one}"`))]).toEqual([address, []]);
      const current = [...html.matchAll(/aria-current="page"/g)].length;
      expect([address, current]).toEqual([address, order.includes(address) ? 1 : 0]);
    }
    const first = page('index');
    for (const { entries } of CONTENTS)
      for (const { line } of entries) expect(first).toContain(line.replace("'", '&#39;'));
    for (const address of walked.slice(order.length)) expect(page('decisions')).toContain(`href="${address}"`);
  });

  it('refers to all that the protocol and the HTTP interface have', () => {
    const reference = page('protocol-reference');
    for (const name of [...COMMAND_NAMES, ...EVENT_NAMES]) expect(reference).toContain(`<code>${name}</code>`);
    for (const name of [...Object.keys(ERRORS), ...Object.keys(LIMITS)])
      expect(reference).toContain(`<code>${name}</code>`);
    expect(idsOf(reference)).toEqual(expect.arrayContaining(['session', 'participant', 'message', 'wireerror']));
    // A comment of a type, a bound of a schema.
    expect(reference).toContain('Messages that no longer exist anywhere');
    expect(reference).toContain('at most 16384 bytes');
    const http = page('http-reference');
    for (const route of ['POST /api/v1/sessions', 'GET /health/ready', 'GET /api/debug/config'])
      expect(http).toContain(`<code>${route}</code>`);
    for (const html of [reference, http]) expect(html).not.toMatch(/undefined|\[object/);
  });

  it('marks every heading with a link to itself', () => {
    const html = page('concepts');
    expect(idsOf(html)).toContain('message-and-signal');
    expect(html).toContain('<a class="anchor" href="#message-and-signal" aria-label="Link to “Message and signal”">');
  });
});

describe('the renderer', () => {
  const contents = [{ title: 'All', entries: [{ file: 'one.md', title: 'One', line: 'The one' }] }];
  const render = (markdown: string, more: [string, string][] = []) =>
    renderDocs({
      ...{ from: path.join(directory, 'images'), to: path.join(directory, 'other'), template: TEMPLATE, version: '1' },
      ...{ contents: [...contents, { title: 'More', entries: [{ file: 'decisions.md', title: 'D', line: 'D' }] }] },
      pages: new Map([['one.md', markdown], ...more]),
      files: new Map(),
    });

  it('refuses links to files and headings that are not there, and pages that nobody would find', async () => {
    await expect(render('# One\n\n[x](two.md)')).rejects.toThrow('docs/one.md links to two.md');
    await expect(render('# One\n\n[x](#two)')).rejects.toThrow('docs/one.md links to /docs/one.html#two');
    await expect(render('# One', [['two.md', '# Two']])).rejects.toThrow('does not list two.md');
    await expect(render('# One\n\n[x](#one)')).resolves.toBeUndefined();
  });

  it('leaves what is written as it is: no markup out of code, no pattern out of text', async () => {
    await render('# A `<b>` & {{title}} $&\n\n`<i>` {{content}}\n\n```js run=x\n<script>"$&"\n```\n');
    const html = await readFile(path.join(directory, 'other/one.html'), 'utf8');
    expect(html).toContain('<code>&lt;b&gt;</code> &amp; {{title}} $&amp;');
    expect(html).toContain('<code>&lt;i&gt;</code> {{content}}');
    expect(html).toContain('<code class="language-js">&lt;script&gt;&quot;$&amp;&quot;');
  });
});
