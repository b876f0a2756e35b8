/** A fenced `sh` block of a Markdown file. */
export interface Block {
  readonly text: string;
  /** Line of the file that its first command stands on, from 1. */
  readonly line: number;
}

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
