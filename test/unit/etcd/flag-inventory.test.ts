import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type EtcdFlag, featureGates, flagInventory, flagsOfRelease } from '../../../src/etcd/flag-inventory.ts';
import { checkFlags } from '../../../src/etcd/flags.ts';
import { type Minor, requireRelease, skipReason, testBinaries } from '../../support/binaries.ts';

const minors: readonly Minor[] = ['v34', 'v35', 'v36'];

/** What etcd parses before it obeys `--version`. */
const samples: Readonly<Record<string, string>> = {
  'advertise-client-urls': 'https://127.0.0.1:1',
  cors: 'https://example.org:443',
  'discovery-fallback': 'exit',
  'feature-gates': 'CompactHashCheck=true',
  'initial-advertise-peer-urls': 'https://127.0.0.1:1',
  'initial-cluster-state': 'new',
  'listen-client-http-urls': 'https://127.0.0.1:1',
  'listen-client-urls': 'https://127.0.0.1:1',
  'listen-metrics-urls': 'https://127.0.0.1:1',
  'listen-peer-urls': 'https://127.0.0.1:1',
  proxy: 'off',
  'v2-deprecation': 'write-only',
};
const samplesByType: Readonly<Record<EtcdFlag['type'], string>> = {
  bool: 'true',
  int: '1',
  uint: '1',
  duration: '1m30s',
  string: 'text',
};

describe.each(minors)('the flags of %s', (minor) => {
  describe.skipIf(skipReason(minor) !== undefined)('against the binary', () => {
    const run = async (...args: readonly string[]) => {
      const binary = await (await testBinaries()).ensure(requireRelease(minor));
      return await promisify(execFile)(binary.etcd, args, { timeout: 10_000 });
    };

    it('parses every flag of the inventory, with a value of its type', async () => {
      const args = [...flagsOfRelease(requireRelease(minor))].map(
        ([name, entry]) => `--${name}=${samples[entry.name] ?? samplesByType[entry.type]}`,
      );
      const { stdout } = await run(...args, '--version');
      expect(stdout).toContain(`etcd Version: ${requireRelease(minor)}`);
    });

    it('has every flag that the help text names', async () => {
      const { stdout, stderr } = await run('--help');
      const named = [...`${stdout}${stderr}`.matchAll(/^ +--([a-z0-9-]+)/gm)].map((match) => match[1] ?? '');
      const known = flagsOfRelease(requireRelease(minor));
      expect(named.length).toBeGreaterThan(50);
      // 3.6 takes both names of a flag; the inventory has the one that stays.
      const isKnown = (name: string): boolean => known.has(name) || known.has(name.replace(/^experimental-/, ''));
      expect(named.filter((name) => !isKnown(name) && !misprints.has(name))).toEqual([]);
    });

    it.each([
      ['pre-vote', 'yes'],
      ['heartbeat-interval', '100ms'],
      ['heartbeat-interval', '-1'],
      ['quota-backend-bytes', '8GiB'],
      ['quota-backend-bytes', '9223372036854775808'],
      ['corrupt-check-time', '10'],
      ['corrupt-check-time', '1d'],
      ['no-such-flag', '1'],
    ])('refuses --%s=%s as checkFlags does', async (flag, value) => {
      const version = requireRelease(minor);
      expect(checkFlags(version, { [flag]: value })).toMatchObject([{ flag }]);
      const known = flagsOfRelease(version);
      const name = known.has(flag) || !known.has(`experimental-${flag}`) ? flag : `experimental-${flag}`;
      await expect(run(`--${name}=${value}`, '--version')).rejects.toThrow(
        /invalid (boolean )?value|flag provided but not defined/,
      );
    });
  });
});

/** Names in help texts that the flag set does not have. */
const misprints: ReadonlySet<string> = new Set(['help', 'h', 'experimental-snapshot-catch-up-entries']);

describe('the inventory', () => {
  it('names every flag once, in order', () => {
    const names = flagInventory.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)].toSorted());
  });

  it('gives every gate that was a flag a flag of the inventory', () => {
    const names = new Set(flagInventory.map(({ name }) => name));
    const former = featureGates.flatMap(({ experimental }) => experimental ?? []);
    expect(former.filter((name) => !names.has(name))).toEqual([]);
  });

  it('has no former name from 3.7 on', () => {
    for (const version of ['3.7.0', '3.7.1', '3.8.0'])
      expect([...flagsOfRelease(version).keys()].filter((name) => name.startsWith('experimental-'))).toEqual([]);
  });
});
