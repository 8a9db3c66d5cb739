import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { validate } from '../../../src/cli/validate.ts';
import { changed, goodSpec } from './good-spec.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quorate-validate-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function run(...paths: string[]): Promise<{ code: number; text: string }> {
  let text = '';
  const code = await validate(
    paths.map((path) => join(folder, path)),
    {
      write: (piece) => {
        text += piece;
      },
    },
  );
  return { code, text: text.replaceAll(`${folder}/`, '') };
}

const other = changed('name: orders', 'name: other').replaceAll('10.0.0.', '10.0.1.');

test('good files, in folders at any depth, give 0', async () => {
  await mkdir(join(folder, 'clusters/eu'), { recursive: true });
  await mkdir(join(folder, 'clusters/.hidden'), { recursive: true });
  await writeFile(join(folder, 'clusters/orders.yaml'), goodSpec);
  await writeFile(join(folder, 'clusters/eu/other.yml'), other);
  await writeFile(join(folder, 'clusters/README.md'), '{');
  await writeFile(join(folder, 'clusters/.hidden/x.yaml'), '{');
  expect(await run('clusters')).toEqual({ code: 0, text: '2 files, 2 valid clusters, 0 errors, 0 warnings\n' });
});

test('a warning alone gives 0', async () => {
  await writeFile(
    join(folder, 'a.yaml'),
    changed('      client-1: { m', '      spare: { managed: {} }\n      client-1: { m'),
  );
  const { code, text } = await run('a.yaml');
  expect(code).toBe(0);
  expect(text).toMatch(/^a\.yaml:16:7: warning: .* \[unused-authority\]$/m);
  expect(text).toContain('1 file, 1 valid cluster, 0 errors, 1 warning\n');
});

test('every finding of every file is printed, and gives 3', async () => {
  await writeFile(join(folder, 'a.yaml'), changed('members: 3', 'members: 4'));
  await writeFile(join(folder, 'b.yaml'), 'a: [\n');
  const { code, text } = await run('a.yaml', 'b.yaml');
  expect(code).toBe(3);
  expect(text).toContain('a.yaml:6:12: error: An even number of members [even-member-count]\n  Found 4.');
  expect(text).toContain('b.yaml:2:1: error: The file is not valid YAML [yaml-syntax]\n');
  expect(text.trimEnd().split('\n').at(-1)).toMatch(/^2 files, 0 valid clusters, \d errors, 0 warnings$/);
});

test('a file that is named twice is one file', async () => {
  await writeFile(join(folder, 'a.yaml'), goodSpec);
  await symlink(join(folder, 'a.yaml'), join(folder, 'link.yaml'));
  expect(await run('a.yaml', '.', 'link.yaml')).toEqual({
    code: 0,
    text: '1 file, 1 valid cluster, 0 errors, 0 warnings\n',
  });
});

test('nothing to check gives 3 and says why', async () => {
  await mkdir(join(folder, 'empty'));
  const { code, text } = await run('absent', 'empty');
  expect(code).toBe(3);
  expect(text).toContain(
    'absent: error: No specs could be read here [nothing-to-validate]\n  There is no such file or folder.',
  );
  expect(text).toContain(
    'empty: error: No specs could be read here [nothing-to-validate]\n  There is no *.yaml or *.yml file',
  );
  expect(await run()).toMatchObject({ code: 3 });
});

test('a file beside one that is missing is still checked', async () => {
  await writeFile(join(folder, 'a.yaml'), changed('version: 3.5.33', 'version: 3.2.1'));
  const { code, text } = await run('absent.yaml', 'a.yaml');
  expect(code).toBe(3);
  expect(text).toContain('a.yaml:5:12: error: This etcd release is not supported [unsupported-version]');
});

test('a file larger than 256 KiB is refused without reading all of it', async () => {
  await writeFile(join(folder, 'a.yaml'), 'x'.repeat(2_000_000));
  const { code, text } = await run('a.yaml');
  expect(code).toBe(3);
  expect(text).toContain('[document-too-large]\n  Found more than 262144 bytes');
});

test('a file that is plainly something else is one finding, and hides none of a spec', async () => {
  await mkdir(join(folder, 'agents'));
  await writeFile(join(folder, 'agents/a.yaml'), '# The agent.\nname: a\nlisten: 10.0.0.11:7001\ndataDir: /srv\n');
  await writeFile(join(folder, 'controller.yaml'), 'git: { url: ./repo }\nstate: ./state\n');
  await writeFile(join(folder, 'map.yml'), 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: orders }\n');
  await writeFile(join(folder, 'orders.yaml'), goodSpec);
  const { code, text } = await run('.');
  expect(code).toBe(3);
  expect(text.split('\n').filter((line) => line.includes(': error: '))).toEqual([
    'agents/a.yaml:2:1: error: This file is no cluster spec [not-a-cluster]',
    'controller.yaml:1:1: error: This file is no cluster spec [not-a-cluster]',
    'map.yml:1:1: error: This file is no cluster spec [not-a-cluster]',
  ]);
  expect(text).toContain('4 files, 1 valid cluster, 3 errors, 0 warnings\n');
});

test('a spec that lost its first lines, or one of them, is still a spec', async () => {
  await writeFile(join(folder, 'a.yaml'), changed('apiVersion: quorate.dev/v1\nkind: EtcdCluster\n', ''));
  await writeFile(join(folder, 'b.yaml'), changed('kind: EtcdCluster\n', '').replace('name: orders', 'name: two'));
  await writeFile(join(folder, 'c.yaml'), 'kind: EtcdCluster\n');
  const { text } = await run('.');
  expect(text).not.toContain('[not-a-cluster]');
  for (const file of ['a', 'b', 'c']) expect(text).toMatch(new RegExp(`^${file}\\.yaml:.*\\[missing-key\\]$`, 'm'));
});
