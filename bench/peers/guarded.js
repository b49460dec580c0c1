/**
 * The classic adapter with what a chat in production usually has besides: for each message limits of the user and of
 * the address, the session read and written, and a key that says when the user was active last.
 */
import { createAdapter } from '@socket.io/redis-adapter';
import { RateLimiterRedis } from 'rate-limiter-flexible';
import { connectRedis } from './redis-clients.js';
import { startRelay } from './relay.js';

/** Far above what any load reaches: a refusal is not the subject. */
const POINTS = 1_000_000;
const WINDOW_SECONDS = 60;
const SESSION_SECONDS = 86_400;
const ACTIVITY_SECONDS = 1800;

const [redis, publisher, subscriber] = await Promise.all([connectRedis(), connectRedis(), connectRedis()]);
const ofUser = limiter('messages-user');
const ofAddress = limiter('messages-ip');

startRelay(
  { adapter: createAdapter(publisher, subscriber) },
  {
    created: async ({ code }) => {
      const session = { code, createdAt: Date.now(), activeAt: Date.now(), messages: 0 };
      await redis.set(keyOf(code), JSON.stringify(session), { EX: SESSION_SECONDS });
    },
    canJoin: async (code) => (await redis.exists(keyOf(code))) === 1,
    mayPass: async ({ code }, socket) => {
      let stored;
      try {
        // They do not depend on each other, so they share a round trip.
        [stored] = await Promise.all([
          redis.get(keyOf(code)),
          ofUser.consume(socket.id),
          ofAddress.consume(socket.handshake.address),
        ]);
      } catch (reason) {
        return reason instanceof Error ? 'UNAVAILABLE' : 'RATE_LIMITED';
      }
      if (stored === null) return 'SESSION_NOT_FOUND';
      const session = JSON.parse(stored);
      session.activeAt = Date.now();
      session.messages += 1;
      await Promise.all([
        redis.set(keyOf(code), JSON.stringify(session), { EX: SESSION_SECONDS }),
        redis.set(`activity:${socket.id}`, session.activeAt, { EX: ACTIVITY_SECONDS }),
      ]);
      return null;
    },
  },
);

/** @param {string} keyPrefix */
function limiter(keyPrefix) {
  return new RateLimiterRedis({
    storeClient: redis,
    useRedisPackage: true,
    keyPrefix,
    points: POINTS,
    duration: WINDOW_SECONDS,
  });
}

/** @param {string} code */
function keyOf(code) {
  return `session:${code}`;
}
