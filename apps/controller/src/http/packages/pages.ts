import type { FastifyReply, FastifyRequest } from 'fastify';

/** A page for people: paragraphs, and lines to type. */
export interface Page {
  readonly title: string;
  readonly parts: readonly (string | { readonly type: string })[];
}

/** Answers with HTML for a browser, else with plain text. */
export function sendPage(request: FastifyRequest, reply: FastifyReply, status: number, page: Page): FastifyReply {
  const wantsHtml = /\btext\/html\b/.test(String(request.headers.accept ?? ''));
  return reply
    .code(status)
    .header('vary', 'accept')
    .type(wantsHtml ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8')
    .send(wantsHtml ? htmlOf(page) : textOf(page));
}

const textOf = ({ title, parts }: Page): string =>
  `${title}\n\n${parts.map((part) => (typeof part === 'string' ? part : `  ${part.type}`)).join('\n\n')}\n`;

function htmlOf({ title, parts }: Page): string {
  const body = parts.map((part) =>
    typeof part === 'string' ? `<p>${escaped(part)}</p>` : `<pre><code>${escaped(part.type)}</code></pre>`,
  );
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
</head>
<body>
<main>
<h1>${escaped(title)}</h1>
${body.join('\n')}
</main>
</body>
</html>
`;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
