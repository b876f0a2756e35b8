export type Theme = 'system' | 'light' | 'dark';

/** Returns the theme that the person chose; the system's when nothing was chosen. */
export function theme(): Theme {
  const kept = localStorage.getItem('theme');
  return kept === 'light' || kept === 'dark' ? kept : 'system';
}

/** Keeps a choice, and shows it. */
export function setTheme(next: Theme): void {
  localStorage.setItem('theme', next);
  applyTheme();
}

export function applyTheme(): void {
  const chosen = theme();
  if (chosen === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}
