import { schemas } from '../schemas.ts';
import { defineCommand, seatOf, type Command, type Services } from './command.ts';

export function sendSignal({ messages, connectionLimits, onSignal }: Services): Command {
  return defineCommand({
    name: 'signal:send',
    schema: schemas.signal,
    allowsBinaryBody: true,
    handle: async (connection, { type, body, to }) => {
      const seat = seatOf(connection);
      connectionLimits.reserve(connection, 'signals');
      const recipients = await messages.signal(seat, { type, body, to: to?.toLowerCase() ?? null });
      onSignal();
      return { recipients };
    },
  });
}
