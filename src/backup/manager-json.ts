/**
 * The JSON that etcd-manager writes and people edit: lowerCamelCase or snake_case, integers quoted or not, any white
 * space, a byte order mark, unknown fields, defaults left out as protobuf does. Its own writer quotes 64-bit integers.
 */
export function parseObject(text: string): object {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new TypeError(`it is not JSON (${error instanceof Error ? error.message : 'unreadable'})`);
  }
  if (isObject(parsed)) return parsed;
  throw new TypeError('it is not an object');
}

export function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Undefined when it is absent or null. */
export function fieldOf(object: object, camel: string, snake: string): unknown {
  const fields = new Map<string, unknown>(Object.entries(object));
  for (const name of [camel, snake]) if (fields.has(name)) return fields.get(name) ?? undefined;
  return undefined;
}

/** Absent means 0, as in protobuf. Throws a TypeError for what is no whole number from 0 to 10^12 - 1. */
export function unsignedOf(name: string, value: unknown): number {
  if (value === undefined) return 0;
  const number = typeof value === 'string' && /^[0-9]{1,15}$/.test(value) ? Number(value) : value;
  // Twelve digits of seconds reach past the year 30 000; more is no time that a date could show.
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number < 1e12) return number;
  throw new TypeError(`${name} is not a whole number in range`);
}
