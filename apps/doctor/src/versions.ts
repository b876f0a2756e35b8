/** Compares versions such as 1.2.3: negative when `a` is older. Text after the numbers does not count. */
export function compareText(a: string, b: string): number {
  const [left, right] = [a, b].map((text) =>
    text
      .split(/[.+-]/)
      .slice(0, 3)
      .map((part) => Number.parseInt(part, 10) || 0),
  );
  const at = [0, 1, 2].find((index) => left?.[index] !== right?.[index]);
  return at === undefined ? 0 : (left?.[at] ?? 0) - (right?.[at] ?? 0);
}
