import type { Socket } from 'socket.io-client';
import type { Ack, CommandName, CommandPayload, CommandResult } from '../../protocol/commands.ts';

/** Beyond the 5 s in which every command is answered, so that an answer that comes late is seen to be late. */
const ACK_DEADLINE_MS = 8_000;
const PAUSE_MS = 200;

/** The answer of a command, or why there is none. */
export async function emit<C extends CommandName>(
  socket: Socket,
  command: C,
  payload: CommandPayload<C>,
): Promise<Ack<C> | 'disconnected' | 'no_answer'> {
  try {
    const answer: unknown = await socket.timeout(ACK_DEADLINE_MS).emitWithAck(command, payload);
    return answer as Ack<C>; // The tests are what holds the server to this type.
  } catch (error) {
    return error instanceof Error && error.message.includes('timed out') ? 'no_answer' : 'disconnected';
  }
}

/** The result of a command that is to succeed. */
export async function request<C extends CommandName>(
  socket: Socket,
  command: C,
  payload: CommandPayload<C>,
): Promise<CommandResult<C>> {
  const answer = await emit(socket, command, payload);
  if (typeof answer === 'string') throw new Error(`${command}: ${answer}`);
  if (!answer.ok) throw new Error(`${command} was refused: ${JSON.stringify(answer.error)}`);
  return answer;
}

/** Until it succeeds; whoever calls has a deadline. */
export async function repeated<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
