import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { readPage, root, sectionOf } from './markdown.ts';

const run = promisify(execFile);
const page = readPage('docs/cli.md');
const source = readFileSync(join(root, 'src/cli/main.ts'), 'utf8');

/** Evaluates main.ts once for each command, in one process: starting one takes longer than all the rest. */
const printHelp = `
const [main, list] = process.argv.slice(1);
const write = process.stdout.write.bind(process.stdout);
const texts = [];
for (const [index, command] of JSON.parse(list).entries()) {
  let text = '';
  process.stdout.write = (chunk) => { text += chunk; return true; };
  // commander expects no script's path in a process that was started with --eval.
  process.argv = [process.execPath, ...command, '--help'];
  await import(main + '?' + index);
  texts.push(text);
}
process.stdout.write = write;
console.log(JSON.stringify(texts));
`;

/** What `quorate COMMAND --help` prints, for each of the commands. */
async function helpOf(list: readonly (readonly string[])[]): Promise<readonly string[]> {
  const main = pathToFileURL(join(root, 'src/cli/main.ts')).href;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', printHelp, '--', main, JSON.stringify(list)];
  const { stdout } = await run(process.execPath, args, { cwd: root, timeout: 25_000 });
  return JSON.parse(stdout) as string[];
}

/** Names below `Commands:`, without `help`. */
function commandsIn(text: string): readonly string[] {
  const list = text.split('\nCommands:\n')[1] ?? '';
  return [...list.matchAll(/^ {2}([a-z-]+)\b/gm)].map((match) => match[1] ?? '').filter((name) => name !== 'help');
}

/** `--option <value>` or `--option`, as the help has them. */
function optionsIn(text: string): readonly string[] {
  return [...text.matchAll(/^ {2}(?:-[a-z], )?(--[a-z-]+(?: <[^>]+>)?)/gim)]
    .map((match) => match[1] ?? '')
    .filter((option) => option !== '--help');
}

const [overview = ''] = await helpOf([[]]);
const commands = commandsIn(overview);
const own = new Map((await helpOf(commands.map((command) => [command]))).map((text, index) => [commands[index], text]));
const nested = commands.flatMap((command) =>
  commandsIn(own.get(command) ?? '').map((name) => [command, name] as const),
);
const nestedHelp = await helpOf(nested);

describe('docs/cli.md', () => {
  test('has a chapter for every command that main.ts makes, in the order of the help', () => {
    const made = [...source.matchAll(/(?<![.\w])command\('([a-z-]+)'/g)].map((match) => match[1] ?? '');
    expect(made.toSorted()).toEqual(commands.toSorted());
    const chapters = [...page.matchAll(/^## quorate ([a-z-]+)$/gm)].map((match) => match[1] ?? '');
    expect(chapters).toEqual(commands);
  });

  test('there are commands within commands', () => {
    expect(nested.map(([command]) => command)).toEqual(expect.arrayContaining(['backup', 'binaries']));
  });

  test.each(commands)('quorate %s: the options are those of --help', (command) => {
    const chapter = sectionOf(page, `## quorate ${command}`);
    const inner = nested.flatMap(([outer, name], index) =>
      outer === command ? [{ name, text: nestedHelp[index] ?? '' }] : [],
    );
    for (const { name } of inner) expect(chapter).toContain(`\`quorate ${command} ${name}`);
    const texts = inner.length === 0 ? [own.get(command) ?? ''] : inner.map(({ text }) => text);
    const rows = chapter.split('\n').filter((line) => line.startsWith('| `--'));
    const documented = rows.flatMap((row) =>
      [...(row.split(' | ')[0] ?? '').matchAll(/`(--[^`]+)`/g)].map((m) => m[1] ?? ''),
    );
    expect([...new Set(documented)].toSorted()).toEqual([...new Set(texts.flatMap(optionsIn))].toSorted());
  });
});
