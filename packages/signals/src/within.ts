/**
 * Waits for work, but not longer than a number of milliseconds. Returns the result, or null when the time is over first;
 * the work itself goes on. Rejects when the work rejects in time. No timer is left behind.
 */
export async function within<T>(work: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, ms, null);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
