import { describe, expect, test } from 'vitest';
import { loadSpecs } from '../../../src/spec/load.ts';
import { changed, goodSpec } from './good-spec.ts';
import { brief, load } from './loading.ts';

describe('several findings and several files', () => {
  test('everything wrong in all files is said at once, in the order of the lines', () => {
    const first = changed('members: 3', 'members: 4')
      .replace('version: 3.5.33', 'version: 3.2.1')
      .replace('z2 }', 'z2, cordn: true }');
    const second = changed('name: orders', 'name: other')
      .replace('validity: 30d', 'validity: 30m')
      .replaceAll('10.0.0.', '10.0.1.');
    const { specs, diagnostics, broken } = load(first, second);
    expect(brief(diagnostics)).toEqual([
      'unsupported-version@5:12',
      'even-member-count@6:12',
      'unknown-key@9:81',
      'out-of-range@19:23',
    ]);
    expect(diagnostics.map(({ file }) => file)).toEqual(['a.yaml', 'a.yaml', 'a.yaml', 'b.yaml']);
    expect(specs).toEqual([]);
    expect(broken).toEqual([
      { path: 'a.yaml', name: 'orders' },
      { path: 'b.yaml', name: 'other' },
    ]);
  });

  test('two clusters with one name are both broken, and a third is not', () => {
    const third = changed('name: orders', 'name: other').replaceAll('10.0.0.', '10.0.1.');
    const { specs, diagnostics, broken } = load(goodSpec, goodSpec, third);
    expect(brief(diagnostics)).toEqual(['duplicate-cluster@3:19']);
    expect(diagnostics[0]?.file).toBe('b.yaml');
    expect(diagnostics[0]?.detail).toContain('(a.yaml:3:19)');
    expect(broken).toEqual([
      { path: 'a.yaml', name: 'orders' },
      { path: 'b.yaml', name: 'orders' },
    ]);
    expect(specs.map(({ spec }) => spec.name)).toEqual(['other']);
  });

  test('two clusters on one port of one host are both broken', () => {
    const { specs, diagnostics, broken } = load(goodSpec, changed('name: orders', 'name: other'));
    expect(brief(diagnostics)).toEqual(['port-conflict@8:7', 'port-conflict@9:7', 'port-conflict@10:7']);
    expect(diagnostics.map(({ file }) => file)).toEqual(['b.yaml', 'b.yaml', 'b.yaml']);
    expect(broken.map(({ name }) => name)).toEqual(['orders', 'other']);
    expect(specs).toEqual([]);
  });

  test('another name of the same machine is known by its agent', () => {
    const other = changed('name: orders', 'name: other')
      .replace('address: 10.0.0.11', 'address: a.example')
      .replace('10.0.0.12:7001", address: 10.0.0.12', '10.0.1.12:7001", address: 10.0.1.12')
      .replace('10.0.0.13:7001", address: 10.0.0.13', '10.0.1.13:7001", address: 10.0.1.13');
    expect(brief(load(goodSpec, other).diagnostics)).toEqual(['port-conflict@8:7']);
  });

  test('two clusters share hosts on different ports', () => {
    const other = changed('name: orders', 'name: other').replace(
      '  tls:\n',
      '  ports: { client: 3379, peer: 3380, metrics: 3381 }\n  tls:\n',
    );
    expect(load(goodSpec, other)).toMatchObject({ diagnostics: [], specs: [{}, {}] });
  });

  test('a broken file still takes its name and its ports', () => {
    const { diagnostics, specs } = load(
      changed('version: 3.5.33', 'version: 3.2.1'),
      changed('name: orders', 'name: other'),
    );
    expect(diagnostics.map(({ file, code }) => `${file} ${code}`)).toContain('b.yaml port-conflict');
    expect(specs).toEqual([]);
  });

  test('no files, no specs', () => {
    expect(loadSpecs([])).toEqual({ specs: [], diagnostics: [], broken: [] });
  });

  test('a file that is not YAML is broken under the name that can still be read', () => {
    expect(load(`${goodSpec}  suspend: "\n`).broken).toEqual([{ path: 'a.yaml', name: 'orders' }]);
    expect(load('metadata: { name: ../x }\n').broken).toEqual([{ path: 'a.yaml' }]);
  });
});
