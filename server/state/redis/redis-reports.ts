import type { InstanceReport } from '../../../protocol/console.ts';
import { MOST_REPORTS, REPORT_LIFE_MS, type InstanceReports } from '../../sessions/ports.ts';
import type { Redis } from './client.ts';
import type { Keys } from './keys.ts';
import { reportIn } from './report-text.ts';
import { fieldsOf } from './reply.ts';
import { loadScript } from './script.ts';

const PUT = loadScript('put_report');
const READ = loadScript('read_reports');
/** Every so many reports of an instance, those that are too old are removed: once a minute. */
const TIDY_EVERY = 30;

export interface RedisReportsOptions {
  redis: Pick<Redis, 'run' | 'send'>;
  keys: Keys;
  /** Unix milliseconds of the deployment. */
  now: () => number;
}

/** Reports of all instances that share a Redis, in one hash. */
export class RedisReports implements InstanceReports {
  readonly #options: RedisReportsOptions;
  #puts = 0;

  constructor(options: RedisReportsOptions) {
    this.#options = options;
  }

  async put(report: InstanceReport): Promise<void> {
    const { redis, keys, now } = this.#options;
    const isTidying = this.#puts % TIDY_EVERY === 0;
    this.#puts += 1;
    const kept = [String(REPORT_LIFE_MS), String(MOST_REPORTS), isTidying ? '1' : '0'];
    await redis.run(PUT, [keys.reports], [report.instanceId, String(now()), JSON.stringify(report), ...kept]);
  }

  async all(): Promise<InstanceReport[]> {
    const { redis, keys, now } = this.#options;
    const fields = fieldsOf(await redis.run(READ, [keys.reports], []));
    const oldest = now() - REPORT_LIFE_MS;
    return [...fields.values()].flatMap((text) => {
      const blank = text.indexOf(' ');
      const report = Number(text.slice(0, blank)) > oldest ? reportIn(text.slice(blank + 1)) : null;
      return report === null ? [] : [report];
    });
  }

  async remove(instanceId: string): Promise<void> {
    const { redis, keys } = this.#options;
    await redis.send(['HDEL', keys.reports, instanceId], keys.reports);
  }
}
