/** A fenced `sh` block of a Markdown file. */
export interface Block {
  readonly text: string;
  /** Line of its first command in the file, from 1. */
  readonly line: number;
}

/** Returns the shell blocks of a Markdown text. */
export function shellBlocks(markdown: string): Block[] {
  const blocks: Block[] = [];
  const lines = markdown.split('\n');
  for (let at = 0; at < lines.length; at++) {
    if (lines[at] !== '```sh') continue;
    const end = lines.indexOf('```', at);
    if (end < 0) throw new Error(`the block in line ${at + 1} has no end`);
    blocks.push({ text: lines.slice(at + 1, end).join('\n'), line: at + 2 });
    at = end;
  }
  return blocks;
}
