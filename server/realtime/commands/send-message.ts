import type { TandemError } from '../../../protocol/errors.ts';
import { limitRequests } from '../../limits/limit-rules.ts';
import type { SendInput, Sent } from '../../sessions/message-service.ts';
import type { HeldSeat } from '../../sessions/seating.ts';
import { iso } from '../../sessions/view.ts';
import type { Connection } from '../connection.ts';
import { schemas } from '../schemas.ts';
import { defineCommand, isRateLimit, seatOf, type Command, type Services } from './command.ts';

export function sendMessage(services: Services): Command {
  return defineCommand({
    name: 'message:send',
    schema: schemas.send(services.maxBodyBytes),
    reservesOwnLimits: true,
    handle: async (connection, { id, type, body: { body, bodyJson } }, { span }) => {
      const sent = await send(services, connection, { id, type, body, bodyJson, span });
      const { seq, sentAt, epoch, durableSeq, duplicate } = sent;
      return { id, seq, sentAt: iso(sentAt), epoch, durableSeq, duplicate };
    },
  });
}

/**
 * A repetition is answered even when the limits are exhausted, and takes no point of any. What is refused takes no
 * point of the message limits; it was a command all the same.
 */
async function send(services: Services, connection: Connection, input: SendInput): Promise<Sent> {
  const { messages, limits, connectionLimits } = services;
  let reserved: { commands: () => void; messages: () => void };
  try {
    const commands = connectionLimits.reserve(connection, ['commands']);
    reserved = { commands, messages: connectionLimits.reserve(connection, ['messages']) };
  } catch (error) {
    return repeated(services, seatOf(connection), input, error);
  }
  try {
    const seat = seatOf(connection);
    const shared = limitRequests(limits, [
      ['messages_user', connection.identity?.userId ?? seat.seatId],
      ['messages_ip', connection.ip],
    ]);
    const sent = await messages.send(seat, input, shared);
    if (sent.duplicate) {
      reserved.commands();
      reserved.messages();
    }
    return sent;
  } catch (error) {
    reserved.messages();
    throw error;
  }
}

async function repeated({ messages }: Services, seat: HeldSeat, input: SendInput, refusal: unknown): Promise<Sent> {
  if (!isRateLimit(refusal)) throw refusal;
  const known = await messages.findSent(seat, input);
  if (known === null) throw refusal satisfies TandemError;
  return known;
}
