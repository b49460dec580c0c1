import { collectDefaultMetrics, Registry } from 'prom-client';

/**
 * Left out: gauges that `promtool check metrics` refuses because their names end like a counter's, and the one that
 * asks `process._getActiveHandles`, which aborts the process (`Assertion failed: !obj.IsEmpty()`, seen on Node.js 20.20)
 * while the garbage collector has just taken a handle. `nodejs_active_resources` tells the same by a public way.
 */
const LEFT_OUT = [
  'nodejs_active_handles',
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

let registry: Registry | null = null;

/**
 * Node.js's process metrics under their usual names (`process_`, `nodejs_`). They belong to the process and not to a
 * server in it, and prom-client cannot take its observers of garbage collection and event loop down again: so there is
 * one set of them, made when it is first asked for.
 */
export function processMetrics(): Registry {
  if (registry !== null) return registry;
  registry = new Registry();
  // Ten times a second: at its default, 100, an idle server is woken for nothing but this.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  for (const name of LEFT_OUT) registry.removeSingleMetric(name);
  return registry;
}
