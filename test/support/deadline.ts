/**
 * Rejects when something that must come does not: the deadline is far beyond what a healthy server needs, so that it
 * decides nothing but how long a failing test takes.
 */
export async function within<T>(milliseconds: number, what: () => string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing within ${milliseconds} ms: ${what()}`)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
