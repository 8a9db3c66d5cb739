/**
 * The part of the `reflect-metadata` proposal that `@peculiar/x509` needs (its dependency container
 * refuses to load without it): metadata of a class itself, in a weak map. A complete polyfill that was
 * loaded before is left alone.
 */
const metadata = new WeakMap<object, Map<unknown, unknown>>();

function getOwnMetadata(key: unknown, target: object): unknown {
  return metadata.get(target)?.get(key);
}

function defineMetadata(key: unknown, value: unknown, target: object): void {
  const entries = metadata.get(target) ?? new Map<unknown, unknown>();
  entries.set(key, value);
  metadata.set(target, entries);
}

if (!('getMetadata' in Reflect)) {
  Object.assign(Reflect, { getMetadata: getOwnMetadata, getOwnMetadata, defineMetadata });
}
