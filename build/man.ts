import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { type ProgramName, programSources, root, version } from '@sallyport/program/place';

const run = promisify(execFile);

/** A manual page, made of the help of a command. */
export interface Page {
  readonly name: string;
  readonly section: 1 | 8;
  readonly about: string;
  readonly program: ProgramName;
  readonly args: readonly string[];
}

const pages: readonly Page[] = [
  { name: 'sally', section: 1, about: 'control Sallyport from the command line', program: 'cli', args: [] },
  { name: 'sally-up', section: 1, about: 'connect this device', program: 'client', args: ['up'] },
  { name: 'sally-down', section: 1, about: 'disconnect this device', program: 'client', args: ['down'] },
  { name: 'sally-client', section: 8, about: 'daemon of a device', program: 'client', args: ['run'] },
  { name: 'sally-gateway', section: 8, about: 'agent of a gateway', program: 'gateway', args: ['run'] },
  { name: 'sally-controller', section: 8, about: 'API, console and agent channel', program: 'controller', args: [] },
];

/** A file of documentation: its path below `/usr/share`, and its content. */
export interface Document {
  readonly path: string;
  readonly text: string | Buffer;
}

/** Returns manual pages and completion scripts. `at`: date of the pages, in epoch seconds. */
export async function programDocuments(at: number): Promise<Document[]> {
  return [...(await Promise.all(pages.map((page) => manPage(page, at)))), ...(await Promise.all(completions()))];
}

/** Returns the manual page of a program: its help text. */
export async function manPage(page: Page, at: number): Promise<Document> {
  const text = pageText(page, await outputOf(page.program, [...page.args, '--help']), at);
  return zipped({ path: `man/man${page.section}/${page.name}.${page.section}`, text });
}

/** Compresses a document, as Debian wants it of manual pages and changelogs. */
export function zipped({ path, text }: Document): Document {
  return { path: `${path}.gz`, text: gzipSync(text, { level: 9 }) };
}

const completionPaths = {
  bash: 'bash-completion/completions/sally',
  zsh: 'zsh/vendor-completions/_sally',
  fish: 'fish/vendor_completions.d/sally.fish',
};

function completions(): Promise<Document>[] {
  return Object.entries(completionPaths).map(async ([shell, path]) => ({
    path,
    text: await outputOf('cli', ['completion', shell]),
  }));
}

/** Output of a program of this checkout, without anything of the builder's environment. */
async function outputOf(program: ProgramName, args: readonly string[]): Promise<string> {
  const env = { PATH: '/usr/bin:/bin', HOME: '/nonexistent', LC_ALL: 'C.UTF-8' };
  const { stdout } = await run(process.execPath, [join(root, programSources[program]), ...args], { env });
  return stdout;
}

/** Returns a page in the language of man(7), with the help text as it is. */
function pageText({ name, section, about }: Page, help: string, at: number): string {
  const date = new Date(at * 1000).toISOString().slice(0, 10);
  const text = help.trimEnd().split('\n').map(escapeLine).join('\n');
  return [
    `.TH ${name.toUpperCase()} ${section} ${date} "Sallyport ${version}"`,
    `.SH NAME\n${name.replaceAll('-', '\\-')} \\- ${about}`,
    `.SH DESCRIPTION\n.nf\n${text}\n.fi\n`,
  ].join('\n');
}

const escapeLine = (line: string): string =>
  line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&');
