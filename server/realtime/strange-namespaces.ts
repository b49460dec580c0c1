import type { Namespace, ServerOptions, Socket } from 'socket.io';
import type { TandemServer } from './connection.ts';

/** Of the server whose strange namespaces are refused. */
export const LEAVING_NONE = { cleanupEmptyChildNamespaces: true } as const satisfies Partial<ServerOptions>;

type AdapterOf = NonNullable<ServerOptions['adapter']>;

/**
 * Namespaces that nobody serves. Socket.IO would answer them in its own way, with a text and no code, and keep the
 * transport: here whoever enters one is handed to `refuse`, which must call `next` with an error. It is made for that
 * alone, and with `LEAVING_NONE` it is gone with the refusal, so names without end leave nothing behind.
 */
export function refuseStrangeNamespaces(
  io: TandemServer,
  refuse: (socket: Socket, next: (error: Error) => void) => void,
): void {
  // The types of the gateway's server are those of its own namespace.
  const strange = io.of((_name, _auth, next) => next(null, true)) as unknown as Namespace;
  strange.use((socket, next) => refuse(socket, next));
}

/** Only these namespaces go through the adapter that instances share: for any other, a client could have channels opened. */
export function shareAdapter(io: TandemServer, adapter: AdapterOf, names: ReadonlySet<string>): void {
  // Socket.IO calls both as constructors, whatever they are.
  const [shared, own] = [adapter, io.adapter()] as unknown as (new (namespace: Namespace) => unknown)[];
  function adapterOf(namespace: Namespace): unknown {
    const Chosen = names.has(namespace.name) ? shared : own;
    return Chosen === undefined ? null : new Chosen(namespace);
  }
  io.adapter(adapterOf as unknown as AdapterOf);
}
