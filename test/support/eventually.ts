/**
 * Tries again until it does not throw; for what nobody can be told of. The deadline decides nothing but how long a
 * failing test takes.
 */
export async function eventually<T>(attempt: () => Promise<T>, deadlineMs = 15_000): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
