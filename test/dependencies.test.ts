import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';

/**
 * Older ones can be ended, or made to spend without bound, by what a stranger sends: each has a published advisory that
 * this version fixes. The lock file is looked at and not what is installed, because it is what everybody installs.
 */
const FLOORS = {
  ws: '8.21.1',
  'socket.io-parser': '4.2.7',
  'engine.io': '6.6.0',
  qs: '6.14.2',
  'path-to-regexp': '8.4.0',
};

const root = path.join(import.meta.dirname, '..');

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(path.join(root, file), 'utf8'));
}

const lock = readJson('package-lock.json') as { packages: Record<string, { version?: string }> };
const manifest = readJson('package.json') as { scripts: Record<string, string> };

/** Every place where a package of this name is installed, below others too. */
function installed(name: string): { place: string; version: string }[] {
  return Object.entries(lock.packages)
    .filter(([place]) => place === `node_modules/${name}` || place.endsWith(`/node_modules/${name}`))
    .map(([place, { version = '' }]) => ({ place, version }));
}

function numbersOf(version: string): [number, number, number] {
  // A pre-release comes before its version, so it does not count as one.
  const match = /^(\d+)\.(\d+)\.(\d+)$/.exec(version);
  if (match === null) throw new Error(`expected a released version, received "${version}"`);
  return [Number(match[1]), Number(match[2]), Number(match[3])];
}

function isBelow(version: string, floor: string): boolean {
  const [wanted, given] = [numbersOf(floor), numbersOf(version)];
  const at = wanted.findIndex((number, index) => number !== given[index]);
  return at !== -1 && (given[at] ?? 0) < (wanted[at] ?? 0);
}

describe('the lock file', () => {
  it.each(Object.entries(FLOORS))('has %s nowhere below %s', (name, floor) => {
    const places = installed(name);
    expect(places).not.toEqual([]);
    expect(places.filter(({ version }) => isBelow(version, floor))).toEqual([]);
  });

  it('has path-to-regexp of the 8th line alone, whose patterns cannot backtrack', () => {
    expect(installed('path-to-regexp').filter(({ version }) => numbersOf(version)[0] !== 8)).toEqual([]);
  });

  it('would be found out with one patch, minor or major version too low', () => {
    const below = ['8.21.0', '8.20.9', '7.99.99'].map((version) => isBelow(version, FLOORS.ws));
    const fine = ['8.21.1', '8.21.10', '8.22.0', '9.0.0'].map((version) => isBelow(version, FLOORS.ws));
    expect({ below, fine }).toEqual({ below: [true, true, true], fine: [false, false, false, false] });
  });
});

describe('the scripts of package.json', () => {
  it('start only what is there, or what the build makes of it', () => {
    const sources = Object.entries(manifest.scripts).flatMap(([name, command]) =>
      [...command.matchAll(/(?:node|tsx(?: watch)?) (\S+\.[jt]s)/g)].map(([, file = '']) => ({
        name,
        file: file.replace(/^dist\/(.*)\.js$/, '$1.ts'),
      })),
    );
    expect(sources.map(({ name }) => name)).toEqual(expect.arrayContaining(['start', 'dev', 'migrate', 'bench']));
    expect(sources.filter(({ file }) => !existsSync(path.join(root, file)))).toEqual([]);
  });
});
