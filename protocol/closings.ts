/**
 * Why the server ends a connection, and whether the client is meant to come back by itself. Where it is, the server
 * closes the transport, because a stock Socket.IO client stays away after a Socket.IO disconnect
 * (https://socket.io/docs/v4/client-socket-instance/#disconnect).
 */
export const CLOSINGS = {
  replaced: { reconnect: false },
  kicked: { reconnect: false },
  revoked: { reconnect: false },
  rate_limited: { reconnect: false },
  slow_consumer: { reconnect: true },
  draining: { reconnect: true },
  server_error: { reconnect: true },
} as const satisfies Record<string, { reconnect: boolean }>;

export type ClosingReason = keyof typeof CLOSINGS;
