import { mixed } from '../mixed/mixed.ts';
import type { Scenario } from '../scenario.ts';
import { f01 } from './f01-instance-killed.ts';
import { f02 } from './f02-rolling-restart.ts';
import { f02n } from './f02n-behind-nginx.ts';
import { f03 } from './f03-redis-emptied.ts';
import { f03r } from './f03r-redis-rolled-back.ts';
import { f04 } from './f04-redis-killed.ts';
import { f05 } from './f05-redis-unreachable.ts';
import { f06 } from './f06-redis-frozen.ts';
import { f07 } from './f07-sentinel-failover.ts';
import { f08 } from './f08-cluster-changes.ts';
import { f09 } from './f09-redis-full.ts';
import { f10 } from './f10-postgres-away.ts';
import { f11 } from './f11-logs-full.ts';
import { f12 } from './f12-client-asleep.ts';
import { f13 } from './f13-crowd-returns.ts';
import { f14 } from './f14-subscriber-cut.ts';
import { f15 } from './f15-slow-reader.ts';
import { f16 } from './f16-ack-lost.ts';
import { f17 } from './f17-loop-stalled.ts';
import { f18 } from './f18-clock-off.ts';
import { f19 } from './f19-mail-gone.ts';
import { f20 } from './f20-two-versions.ts';
import { rollbacks } from './rollbacks.ts';

export const SCENARIOS: readonly Scenario[] = [
  f01,
  f02,
  f02n,
  f03,
  f03r,
  f04,
  f05,
  f06,
  f07,
  f08,
  f09,
  f10,
  f11,
  f12,
  f13,
  f14,
  f15,
  f16,
  f17,
  f18,
  f19,
  f20,
  rollbacks,
  mixed,
];
