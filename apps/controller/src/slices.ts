/** Lets everybody else run who waits for the event loop. */
export const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Longest time that a slice of a long work holds the event loop, milliseconds: well below the 20 that are noticed. */
const sliceMs = 8;
/** Items of a batch at most: somebody has work with each of them. */
const batchSize = 500;

/**
 * The items of a long work in batches, each of at most a slice of time, with a breath after each. A batch is empty when
 * its slice has found nothing. Items that are null only say that the work has come further. `now` counts milliseconds.
 */
export async function* inSlices<T>(
  items: Iterable<T | null>,
  now: () => number = () => performance.now(),
): AsyncGenerator<T[]> {
  let batch: T[] = [];
  let began = now();
  for (const item of items) {
    if (item !== null) batch.push(item);
    if (batch.length < batchSize && now() - began < sliceMs) continue;
    yield batch;
    await breathe();
    batch = [];
    began = now();
  }
  if (batch.length > 0) yield batch;
}

/** Takes steps of a work until a slice is over or the work is done. Returns the last step. */
export function takeSlice<T>(steps: Iterator<null, T>): IteratorResult<null, T> {
  const began = performance.now();
  let step = steps.next();
  while (step.done !== true && performance.now() - began < sliceMs) step = steps.next();
  return step;
}

/** Does a long work whose steps give nothing. */
export async function doInSlices(steps: Iterable<null>): Promise<void> {
  for await (const _ of inSlices(steps));
}
