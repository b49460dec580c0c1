import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { loadConfig } from '../config.ts';
import { VARIABLE_GROUPS, variableNames, VARIABLES } from './variables.ts';

const EXAMPLE = new URL('../../.env.example', import.meta.url);
const lines = readFileSync(EXAMPLE, 'utf8').split('\n');

/** The commented assignments of the file, with the line above each. */
const entries = lines.flatMap((line, index) => {
  const match = /^# ([A-Z][A-Z0-9_]*)=(.*)$/.exec(line);
  return match === null ? [] : [{ name: match[1] ?? '', value: match[2] ?? '', comment: lines[index - 1] }];
});

describe('.env.example', () => {
  it('names every variable of the table once, in the order of its groups, and no other', () => {
    const names = VARIABLE_GROUPS.flatMap(({ variables }) => Object.keys(variables));
    expect(entries.map(({ name }) => name)).toEqual(names);
    expect(new Set(names)).toEqual(new Set(variableNames()));
    expect(names).toHaveLength(variableNames().length);
  });

  it('gives each variable its default and its line of explanation', () => {
    const expected = variableNames().map((name) => {
      const { default: value, doc }: { default: string; doc: string } = VARIABLES[name];
      return { name, value, comment: `# ${doc}.` };
    });
    const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
    expect(entries.toSorted(byName)).toEqual(expected.toSorted(byName));
  });

  it('has a heading above each group', () => {
    const headings = lines.flatMap((line) => /^# --- (.*) ---$/.exec(line)?.[1] ?? []);
    expect(headings).toEqual(VARIABLE_GROUPS.map(({ title }) => title));
  });

  it('sets nothing as it stands: every line is a comment or empty', () => {
    expect(lines.filter((line) => line !== '' && !line.startsWith('# '))).toEqual([]);
  });

  it('ships no secret', () => {
    const secrets = entries.filter(({ name }) => {
      const variable = variableNames().find((candidate) => candidate === name);
      return variable !== undefined && 'secret' in VARIABLES[variable];
    });
    expect(secrets).toHaveLength(11);
    expect(secrets.filter(({ value }) => value !== '')).toEqual([]);
  });

  it('configures nothing else than an empty environment does when every line is taken in', () => {
    const taken = loadConfig(Object.fromEntries(entries.map(({ name, value }) => [name, value])));
    expect(taken).toEqual(loadConfig({}));
    expect(taken.ok).toBe(true);
  });
});
