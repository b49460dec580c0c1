/**
 * The built server, which counts what it allocates: the first SIGUSR2 starts the count, the second prints it as a line of
 * JSON. Plain JavaScript, so that a loader's garbage is no part of it.
 */
import { getHeapStatistics, GCProfiler } from 'node:v8';

/** @type {{ profiler: GCProfiler, usedBytes: number } | null} */
let count = null;

process.on('SIGUSR2', () => {
  if (count === null) {
    count = { profiler: new GCProfiler(), usedBytes: getHeapStatistics().used_heap_size };
    count.profiler.start();
    say({ event: 'count_started' });
    return;
  }
  const { profiler, usedBytes } = count;
  const now = getHeapStatistics().used_heap_size;
  count = null;
  // From the end of each collection to the beginning of the next, only the program adds to the heap.
  let bytes = 0;
  let last = usedBytes;
  for (const { beforeGC, afterGC } of profiler.stop().statistics) {
    bytes += Math.max(0, beforeGC.heapStatistics.usedHeapSize - last);
    last = afterGC.heapStatistics.usedHeapSize;
  }
  say({ event: 'count_ended', bytes: bytes + Math.max(0, now - last) });
});

await import(new URL('../../dist/server/main.js', import.meta.url).href);

/** @param {object} line */
function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
