/** `npm run test:faults`: does to servers what can happen to them, and holds what came of it against the promise. */
import prepareDataDirectory from '../support/global-setup.js';
import { play } from './play.ts';
import { SCENARIOS } from './scenarios/scenarios.ts';
import { parseOptions, schedule, USAGE, UsageError } from './schedule.ts';
import type { Planned, ScheduleOptions } from './schedule.ts';
import { STUDIES } from './studies.ts';
import type { Study } from './study.ts';

await main();

async function main(): Promise<void> {
  try {
    const options = parseOptions(process.argv.slice(2), () => Date.now() % 1_000_000);
    await prepareDataDirectory();
    const studies = STUDIES.filter(({ name }) => options.only.includes(name));
    const only = options.only.filter((name) => studies.every((study) => study.name !== name));
    const failed = await runStudies(studies, options);
    if (studies.length === 0 || only.length > 0) failed.push(...(await runAll({ ...options, only })));
    console.log(failed.length === 0 ? '\nall good' : `\nfailed, each can be repeated:\n${failed.join('\n')}`);
    if (failed.length > 0) process.exitCode = 1;
  } catch (error) {
    process.exitCode = 1;
    console.error(error instanceof UsageError ? `${error.message}\n${USAGE}` : error);
  }
}

/** Gives the command for each study that failed. */
async function runStudies(studies: readonly Study[], { seed, run: { count } }: ScheduleOptions): Promise<string[]> {
  const failed: string[] = [];
  for (const study of studies) {
    const { name, what } = study;
    console.log(`\n${name}, seed ${seed}: ${what}`);
    const isRight = await study.run({ seed, count, say: (line) => console.log(line) });
    console.log(isRight ? 'good' : 'BAD');
    const again = `  npm run test:faults -- --only ${name} --seed ${seed}`;
    if (!isRight) failed.push(count === null ? again : `${again} --count ${count}`);
  }
  return failed;
}

/** Gives the command for each scenario that failed. */
async function runAll(options: ScheduleOptions): Promise<string[]> {
  const endsAt = options.minutes === null ? 0 : performance.now() + options.minutes * 60_000;
  const failed: string[] = [];
  console.log(`seed ${options.seed}`);
  for (const round of schedule(SCENARIOS, options)) {
    for (const planned of round) {
      const lacks = planned.scenario.lacks?.(planned.options) ?? null;
      if (lacks !== null) {
        console.log(`\n${planned.scenario.name} is left out: ${lacks}`);
        continue;
      }
      if (!(await isGood(planned))) failed.push(`  ${commandFor(planned)}`);
    }
    if (performance.now() >= endsAt) break;
  }
  return failed;
}

async function isGood(planned: Planned): Promise<boolean> {
  const { scenario, hotState, seed } = planned;
  const startedAt = performance.now();
  console.log(`\n${scenario.name} on ${hotState}, seed ${seed}: ${scenario.what}`);
  try {
    const { verdict, complaints, figures, isGood: good } = await play(planned, (line) => console.log(line));
    console.log(String(verdict));
    for (const figure of figures) console.log(`measured: ${figure}`);
    for (const complaint of complaints) console.log(`complaint: ${complaint}`);
    console.log(`${good ? 'good' : 'BAD'} after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
    return good;
  } catch (error) {
    console.log('BAD: the run itself failed', error);
    return false;
  }
}

function commandFor({ scenario, hotState, seed, options: { count, isLong, other } }: Planned): string {
  const words = [`npm run test:faults -- --only ${scenario.name} --state ${hotState} --seed ${seed}`];
  if (count !== null) words.push(`--count ${count}`);
  if (isLong) words.push('--long');
  if (other !== null) words.push(`--other ${other}`);
  return words.join(' ');
}
