import type { EtcdFlag } from './flag-inventory.ts';

/** Why etcd would not start with this value; undefined when it is fine. */
export function valueProblem(entry: EtcdFlag, value: string): string | undefined {
  if (hasControlCharacter(value)) return 'the value holds a control character';
  const allowed = allowedValues[entry.name];
  if (allowed !== undefined && !allowed.includes(value)) return `"${value}" is not one of ${allowed.join(', ')}`;
  const [form, text] = formsByName[entry.name] ?? forms[entry.type];
  if (!form.test(value)) return `"${value}" is not ${text}`;
  if ((entry.type === 'int' || entry.type === 'uint') && !isInRange(entry, BigInt(value)))
    return `${value} is out of range`;
  return undefined;
}

type Form = readonly [form: RegExp, text: string];

/** Flags that take less than their type allows. */
const formsByName: Readonly<Record<string, Form>> = {
  // 0 turns the other checks off, but this one stops etcd at its start.
  'compact-hash-check-time': [
    /^(?=.*[1-9])(\d{1,9}(\.\d{1,9})?(ns|us|µs|ms|s|m|h))+$/,
    'a duration above 0 such as 1m',
  ],
  cors: [
    /^(\*|https?:\/\/[^\s,/]+:\d{1,5}(,https?:\/\/[^\s,/]+:\d{1,5})*)$/,
    '* or a list of origins, each with its port',
  ],
};

const forms: Readonly<Record<EtcdFlag['type'], Form>> = {
  // strconv.ParseBool
  bool: [/^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/, 'true or false'],
  int: [/^-?\d{1,19}$/, 'a whole number'],
  uint: [/^\d{1,19}$/, 'a whole number of 0 or more'],
  // time.ParseDuration
  duration: [/^(0|(\d{1,9}(\.\d{1,9})?(ns|us|µs|ms|s|m|h))+)$/, 'a duration such as 30s or 1m30s'],
  string: [/^/, 'text'],
};

/** 64 bits everywhere but for the gRPC streams, which are counted in 32; a clock tick of 0 stops etcd at its start. */
function isInRange(entry: EtcdFlag, value: bigint): boolean {
  if (entry.name === 'max-concurrent-streams') return value <= 0xff_ff_ff_ffn;
  if (entry.name === 'heartbeat-interval' || entry.name === 'election-timeout') return value > 0n && value <= 50_000n;
  return value >= -(2n ** 63n) && value < 2n ** 63n;
}

/** Values of flags that take one of a few words. */
const allowedValues: Readonly<Record<string, readonly string[]>> = {
  'auto-compaction-mode': ['periodic', 'revision'],
  'backend-bbolt-freelist-type': ['array', 'map'],
  'log-format': ['json', 'console'],
  'log-level': ['debug', 'info', 'warn', 'error', 'dpanic', 'panic', 'fatal'],
  logger: ['zap', 'capnslog'],
  metrics: ['basic', 'extensive'],
  'tls-max-version': ['TLS1.2', 'TLS1.3', ''],
  'tls-min-version': ['TLS1.2', 'TLS1.3', ''],
};

function hasControlCharacter(value: string): boolean {
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
