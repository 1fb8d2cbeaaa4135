/**
 * The body of an answer while it is sent. What a reader would get wrong: a generator that was never begun does not
 * run its `finally` when it is closed, and a call whose client left at once would never be settled; so it is begun first.
 */

export interface TrackedBody {
  readonly body: AsyncIterable<Uint8Array>;
  /** Resolves when whoever makes the body is done, after its end or after it was closed early. */
  readonly ended: Promise<void>;
}

/** `source` with its end made known. It is read once, by one reader. */
export function trackedBody(source: AsyncIterable<Uint8Array>): TrackedBody {
  const iterator = source[Symbol.asyncIterator]();
  const end = Promise.withResolvers<void>();
  let begun = false;
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    begun = true;
    try {
      const result = await iterator.next();
      if (result.done === true) end.resolve();
      return result;
    } catch (fault) {
      end.resolve();
      throw fault;
    }
  };
  const close = async (): Promise<IteratorResult<Uint8Array>> => {
    try {
      if (!begun) await iterator.next();
      await iterator.return?.();
    } finally {
      end.resolve();
    }
    return { done: true, value: undefined };
  };
  return { body: { [Symbol.asyncIterator]: () => ({ next, return: close }) }, ended: end.promise };
}
