/** What can be typed behind each sequence of command words. */
export type CompletionWords = readonly (readonly [path: string, words: readonly string[]])[];

export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

/** A script that completes commands and options, and leaves everything else to file names. */
export function completionScript(shell: Shell, words: CompletionWords): string {
  return { bash, zsh, fish }[shell](words);
}

/** Walks the typed words as far as they are commands, in the common words of bash and zsh. */
function walk(words: CompletionWords, typed: string): string {
  const steps = words.flatMap(([path]) => (path === '' ? [] : [`'${path}'`]));
  const choices = words.map(([path, after]) => `    '${path}') offer='${after.join(' ')}' ;;`);
  return `  local step trail='' offer=''
  for step in ${typed}; do
    case "\${trail:+$trail }$step" in
      ${steps.join('|')}) trail="\${trail:+$trail }$step" ;;
    esac
  done
  case "$trail" in
${choices.join('\n')}
  esac`;
}

function bash(words: CompletionWords): string {
  return `# bash completion of sally
_sally() {
${walk(words, `"\${COMP_WORDS[@]:1:COMP_CWORD-1}"`)}
  COMPREPLY=($(compgen -W "$offer" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _sally sally
`;
}

function zsh(words: CompletionWords): string {
  return `#compdef sally
# zsh completion of sally
_sally() {
${walk(words, `"\${(@)words[2,CURRENT-1]}"`)}
  compadd -- \${=offer} || _files
}
compdef _sally sally
`;
}

function fish(words: CompletionWords): string {
  const cases = words.map(([path, after]) => `        case '${path}'\n            printf '%s\\n' ${after.join(' ')}`);
  const steps = words.flatMap(([path]) => (path === '' ? [] : [`'${path}'`]));
  return `# fish completion of sally
function __sally_words
    set -l path ''
    for word in (commandline -opc)[2..-1]
        set -l next (string trim -- "$path $word")
        if contains -- "$next" ${steps.join(' ')}
            set path $next
        end
    end
    switch "$path"
${cases.join('\n')}
    end
end
complete -c sally -a '(__sally_words)'
`;
}
