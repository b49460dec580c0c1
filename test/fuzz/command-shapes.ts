import { z } from 'zod';
import { createCommands } from '../../server/realtime/commands/commands.ts';
import type { Services } from '../../server/realtime/commands/command.ts';
import { SIZES } from '../../protocol/limits.ts';
import { fieldOf, type CommandShape } from './payloads.ts';

/** The commands as the server declares them. Throws for a field that the fuzzer does not know. */
export function commandShapes(): { shapes: CommandShape[]; seatChanging: Set<string> } {
  // Nothing is run: of what commands are made of, only the size is asked for while they are declared.
  const services = { maxBodyBytes: SIZES.messageBody } as Services;
  const commands = [...createCommands(services).values()];
  const shapes = commands.map(({ name, schema }): CommandShape => {
    if (!(schema instanceof z.ZodObject)) throw new Error(`the payload of ${name} is no object`);
    const keys = Object.entries(schema.shape).map(([key, inner]) => {
      fieldOf(key);
      return { key, isRequired: !z.safeParse(inner, undefined).success };
    });
    return { name, keys };
  });
  return { shapes, seatChanging: new Set(commands.filter(({ changesSeat }) => changesSeat).map(({ name }) => name)) };
}
