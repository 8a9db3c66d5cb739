/** Waits for every one to end, then gives all results or throws the first failure: nothing goes on unseen. */
export async function settleAll<T>(work: readonly Promise<T>[]): Promise<readonly T[]> {
  const results = await Promise.allSettled(work);
  return results.map((result) => {
    if (result.status === 'fulfilled') return result.value;
    throw result.reason;
  });
}
