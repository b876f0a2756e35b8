/** The words that can follow each sequence of command words. */
export type CompletionWords = readonly (readonly [path: string, words: readonly string[]])[];

/** Shells that `sally completion` supports. */
export const shells = ['bash', 'zsh', 'fish'] as const;
/** One of the supported shells. */
export type Shell = (typeof shells)[number];

/** Returns a script that completes commands, options and names of objects, and leaves other words to file names. */
export function completionScript(shell: Shell, words: CompletionWords): string {
  return { bash, zsh, fish }[shell](words);
}

/** Returns a loop that follows the typed words as far as they are commands, in syntax that bash and zsh share. */
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
  local cur="\${COMP_WORDS[COMP_CWORD]}" word plain='' IFS=$' \\t\\n'
  for word in $offer; do [[ $word == -* ]] || plain+=" $word"; done
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$offer" -- "$cur"))
  elif [ -n "$plain" ]; then
    COMPREPLY=($(compgen -W "$plain" -- "$cur"))
  else
    # Names of objects, as the controller tells them.
    COMPREPLY=()
    while IFS= read -r word; do COMPREPLY+=("$(printf %q "$word")"); done < <(
      "\${COMP_WORDS[0]}" __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null
    )
  fi
}
complete -o default -F _sally sally
`;
}

function zsh(words: CompletionWords): string {
  return `#compdef sally
# zsh completion of sally
_sally() {
${walk(words, `"\${(@)words[2,CURRENT-1]}"`)}
  local cur="\${words[CURRENT]}"
  local -a all plain names
  all=(\${=offer})
  plain=(\${all:#-*})
  if [[ $cur == -* ]]; then
    compadd -- $all
  elif (( $#plain )); then
    compadd -- $plain
  else
    # Names of objects, as the controller tells them.
    names=("\${(@f)$("\${words[1]}" __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
    names=(\${names:#})
    (( $#names )) && compadd -- $names || _files
  fi
}
compdef _sally sally
`;
}

const isLeaf = (after: readonly string[]): boolean => after.every((word) => word.startsWith('-'));

/** Names of objects, as the controller reports them. */
const NAMES = `\n            sally __complete (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null`;

function fish(words: CompletionWords): string {
  const cases = words.map(
    ([path, after]) =>
      `        case '${path}'\n            printf '%s\\n' ${after.join(' ')}${isLeaf(after) ? NAMES : ''}`,
  );
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
