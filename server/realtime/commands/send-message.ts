import type { TandemError } from '../../../protocol/errors.ts';
import { limitRequests } from '../../limits/limit-rules.ts';
import type { SendInput, Sent } from '../../sessions/message-service.ts';
import type { HeldSeat } from '../../sessions/seating.ts';
import { iso } from '../../sessions/iso.ts';
import type { CommandResult } from '../../../protocol/commands.ts';
import type { Connection } from '../connection.ts';
import { schemas } from '../schemas.ts';
import { defineCommand, isRateLimit, seatOf, type Command, type Services } from './command.ts';

type SendResult = CommandResult<'message:send'>;

export function sendMessage(services: Services): Command {
  return defineCommand({
    name: 'message:send',
    schema: schemas.send(services.maxBodyBytes),
    reservesOwnLimits: true,
    handle: (connection, { id, type, body: { body, bodyJson } }, { span }) =>
      send(services, connection, { id, type, body, bodyJson, span }),
  });
}

/**
 * A repetition is answered even when the limits are exhausted, and takes no point of any. What is refused takes no
 * point of the message limits; it was a command all the same.
 */
async function send(services: Services, connection: Connection, input: SendInput): Promise<SendResult> {
  const { messages, limits, connectionLimits } = services;
  let commandAt: number;
  let messageAt: number;
  try {
    commandAt = connectionLimits.reserve(connection, 'commands');
    messageAt = connectionLimits.reserve(connection, 'messages');
  } catch (error) {
    return resultOf(input, await repeated(services, seatOf(connection), input, error));
  }
  try {
    const seat = seatOf(connection);
    const shared = limitRequests(limits, [
      ['messages_user', connection.identity?.userId ?? seat.seatId],
      ['messages_ip', connection.ip],
    ]);
    const sent = await messages.send(seat, input, shared);
    if (sent.duplicate) {
      connectionLimits.giveBack(connection, 'commands', commandAt);
      connectionLimits.giveBack(connection, 'messages', messageAt);
    }
    return resultOf(input, sent);
  } catch (error) {
    connectionLimits.giveBack(connection, 'messages', messageAt);
    throw error;
  }
}

function resultOf({ id }: SendInput, { seq, sentAt, epoch, durableSeq, duplicate }: Sent): SendResult {
  return { id, seq, sentAt: iso(sentAt), epoch, durableSeq, duplicate };
}

async function repeated({ messages }: Services, seat: HeldSeat, input: SendInput, refusal: unknown): Promise<Sent> {
  if (!isRateLimit(refusal)) throw refusal;
  const known = await messages.findSent(seat, input);
  if (known === null) throw refusal satisfies TandemError;
  return known;
}
