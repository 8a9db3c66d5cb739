/**
 * One entry of OpenSSL's queue of errors, as Node puts it into messages, with a line break after each:
 * `80AC62D5EB7F0000:error:0A000438:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca:../deps/…/rec_layer_s3.c:916:SSL alert number 48`.
 * Thread, function and place are for those who mend OpenSSL.
 */
const entry =
  /(?:[0-9A-F]{8,16}:)?error:[0-9A-F]{8}:([^:\n]*):[^:\n]*:([^:\n]*)(?::[^:\n]*:[0-9]+:(?:SSL alert number [0-9]+)?)?\s*/g;

/** The same text with what OpenSSL says in words that people read, on one line: `TLS alert: unknown ca`. */
export function readableOpenssl(text: string): string {
  const seen: string[] = [];
  let end = 0;
  let result = '';
  for (const match of text.matchAll(entry)) {
    const said = sayingOf(match[1] ?? '', (match[2] ?? '').trim());
    result += text.slice(end, match.index);
    end = match.index + match[0].length;
    // A failure is often queued twice.
    if (seen.includes(said)) continue;
    result += seen.length > 0 ? `; ${said}` : said;
    seen.push(said);
  }
  const rest = text.slice(end);
  if (seen.length === 0 || rest === '') return result + rest;
  return `${result}${/^[.,:;)]/.test(rest) ? '' : ' '}${rest}`;
}

function sayingOf(library: string, reason: string): string {
  const alert = /^(?:ssl|tls)\S* alert (.+)$/i.exec(reason);
  if (alert !== null) return `TLS alert: ${alert[1]}`;
  const part = library.replace(/ routines$/, '');
  return part === 'SSL' ? `TLS: ${reason}` : `${part}: ${reason}`;
}
