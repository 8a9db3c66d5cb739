import { shown, shownInline } from './shown.ts';

// Between a sign and what follows it: nobody is mentioned, no issue is linked. Both forges look for these
// in the rendered text, so that a backslash before the sign would not help.
const zeroWidthSpace = '&#8203;';

/** Foreign text as text in a paragraph, a heading or the cell of a table: it starts nothing and ends nothing. */
export function mdText(text: string): string {
  return shownInline(text)
    .replaceAll(/[\\`*_[\]~|<>&@#!$%:]/g, escapeSign)
    .replaceAll(/www\./gi, (start) => start.replace('.', '&#46;'))
    .replaceAll(/^([-+=>/]|\d+[.)])/g, (start) => `${zeroWidthSpace}${start}`);
}

function escapeSign(sign: string, offset: number, whole: string): string {
  const next = whole.charAt(offset + 1);
  const isGlued = next !== '' && /[\p{L}\p{N}_"]/u.test(next);
  const escaped = inlineSigns[sign] ?? sign;
  // Addresses do not become links of their own.
  if (sign === ':') return next === '/' ? '&#58;' : ':';
  return isGlued && /[@#!$%&~[]/.test(sign) ? `${escaped}${zeroWidthSpace}` : escaped;
}

/** By entities where a backslash could be taken apart again, as before `|` in a table. */
const inlineSigns: Readonly<Record<string, string>> = {
  '\\': '&#92;',
  '`': '&#96;',
  '|': '&#124;',
  '<': '&lt;',
  '>': '&gt;',
  '&': '&amp;',
  '*': '\\*',
  _: '\\_',
  '[': '\\[',
  ']': '\\]',
  '~': '\\~',
};

/** Foreign text as code on one line, in a table too. Back-ticks for what is harmless, else an element full of entities. */
export function mdCode(text: string): string {
  const value = shownInline(text);
  if (value === '') return '–';
  if (/^[A-Za-z0-9 ._:/=,+!~→…@-]+$/.test(value)) return `\`${value}\``;
  const entities = value.replaceAll(/[^A-Za-z0-9 ,/-]/gu, (sign) => `&#${sign.codePointAt(0) ?? 0xfffd};`);
  return `<code>${entities}</code>`;
}

/** Foreign text as a block of code, whose fence is longer than any in the text. Ends with an empty line. */
export function mdBlock(text: string, language = 'text'): string {
  const content = shown(text);
  const longest = Math.max(0, ...(content.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(Math.max(3, longest + 1));
  return `${fence}${language}\n${content}\n${fence}\n\n`;
}
