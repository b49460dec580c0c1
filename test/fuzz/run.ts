/** Malformed input by the million, against the edge in this process or against a server, and attacks of several kinds at once. */
import { parseArgs } from 'node:util';
import { Deployment, type HotState } from '../faults/deployment.ts';
import prepareDataDirectory from '../support/global-setup.js';
import { ATTACK_ENVIRONMENT, runAttackMix } from './attack-mix.ts';
import { runDecoder } from './decoder-run.ts';
import { runWire, WIRE_ENVIRONMENT } from './wire-run.ts';

const USAGE = `usage: tsx test/fuzz/run.ts decoder|wire|attack [--seed <n>] [--count <inputs>] [--state embedded|redis]`;

/** What a pair may notice of an attack. */
const MOST_P99_MS = 50;

await main();

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { seed: { type: 'string' }, count: { type: 'string' }, state: { type: 'string' } },
    allowPositionals: true,
  });
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  console.log(`seed ${seed}`);
  switch (positionals[0]) {
    case 'decoder':
      return decoder(seed, Number(values.count ?? 10_000_000));
    case 'wire':
      return wire(seed, Number(values.count ?? 1_000_000), values.state === 'redis' ? 'redis' : 'embedded');
    case 'attack':
      return attack(values.state === 'redis' ? 'redis' : 'embedded');
    default:
      process.exitCode = 1;
      console.error(USAGE);
  }
}

async function decoder(seed: number, count: number): Promise<void> {
  const startedAt = performance.now();
  const onProgress = (inputs: number) => console.log(`${inputs} inputs`);
  const report = await runDecoder({ seed, count, isMeasured: true, onProgress });
  const { inputs, connections, accepted, failures, isPolluted, left, heapBytes, rssBytes } = report;
  console.log(`${inputs} inputs on ${connections} connections in ${seconds(startedAt)} s, ${accepted} of them right`);
  console.log(`heap ${grown(heapBytes)}, resident ${grown(rssBytes)}`);
  conclude([
    ...failures,
    ...(isPolluted ? ['the prototype of all objects has a property more'] : []),
    ...(left > 0 ? [`${left} connections are left`] : []),
    ...(isStable(heapBytes) ? [] : ['the heap has grown by more than 5 %']),
    ...(isStable(rssBytes) ? [] : ['resident memory has grown by more than 5 %']),
  ]);
}

async function wire(seed: number, count: number, hotState: HotState): Promise<void> {
  await prepareDataDirectory();
  const deployment = await Deployment.start({ hotState, instances: 1, env: WIRE_ENVIRONMENT });
  try {
    const [instance] = deployment.instances;
    if (instance === undefined) throw new Error('there is no instance');
    const startedAt = performance.now();
    let shown = 0;
    const onProgress = (inputs: number) => {
      if (inputs - shown < 50_000) return;
      shown = inputs;
      console.log(`${inputs} inputs`);
    };
    const report = await runWire({ seed, count, server: instance.server, onProgress });
    console.log(`${report.inputs} inputs over the wire to one server on ${hotState} in ${seconds(startedAt)} s`);
    const statuses = [...report.byStatus].sort(([a], [b]) => a - b).map(([status, times]) => `${status}: ${times}`);
    console.log(`answers of HTTP: ${statuses.join(', ')}`);
    console.log(`the pair said ${report.saidByThePair}; resident ${grown(report.rssBytes)}`);
    const isSame = isStable(report.rssBytes);
    conclude([...report.failures, ...(isSame ? [] : ['resident memory has grown by more than 5 %'])]);
  } finally {
    await deployment.stop();
  }
}

/** Some 50 s, of which the attack takes 30. */
async function attack(hotState: HotState): Promise<void> {
  await prepareDataDirectory();
  const deployment = await Deployment.start({ hotState, instances: 1, env: ATTACK_ENVIRONMENT });
  try {
    const [instance] = deployment.instances;
    if (instance === undefined) throw new Error('there is no instance');
    const { before, during, said, attack: done, failures } = await runAttackMix(instance.server, 8_000, 30_000);
    const ms = (value: number) => `${value.toFixed(1)} ms`;
    console.log(`before: p50 ${ms(before.p50)}, p99 ${ms(before.p99)}`);
    console.log(
      `under attack: p50 ${ms(during.p50)}, p99 ${ms(during.p99)}, worst ${ms(during.worst)}; ${said} said in all`,
    );
    console.log(`the attackers: ${JSON.stringify(done)}`);
    conclude([
      ...failures,
      ...(during.p99 < MOST_P99_MS ? [] : [`p99 is ${ms(during.p99)}, and not below ${MOST_P99_MS} ms`]),
    ]);
  } finally {
    await deployment.stop();
  }
}

function conclude(failures: readonly string[]): void {
  for (const failure of failures) console.log(`BAD: ${failure}`);
  if (failures.length === 0) console.log('good');
  else process.exitCode = 1;
}

function isStable([plateau, end]: readonly [number, number]): boolean {
  return end <= plateau * 1.05;
}

function grown([plateau, end]: readonly [number, number]): string {
  const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  return `${mebibytes(plateau)} -> ${mebibytes(end)} MiB (${((end / plateau - 1) * 100).toFixed(1)} %)`;
}

function seconds(startedAt: number): string {
  return ((performance.now() - startedAt) / 1000).toFixed(1);
}
