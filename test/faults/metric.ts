import type { Instance } from './instance.ts';

/** What an instance counts under this name now, by the labels as they stand between the braces. */
export async function readMetric({ server }: Instance, name: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const lines = text.matchAll(new RegExp(`^${name}(?:\\{(.*)\\})? (\\S+)$`, 'gm'));
  return new Map([...lines].map(([, labels = '', value]) => [labels, Number(value)]));
}

/** The same over several instances. */
export async function sumMetric(instances: readonly Instance[], name: string): Promise<Map<string, number>> {
  const sum = new Map<string, number>();
  for (const instance of instances) {
    for (const [labels, value] of await readMetric(instance, name)) sum.set(labels, (sum.get(labels) ?? 0) + value);
  }
  return sum;
}
