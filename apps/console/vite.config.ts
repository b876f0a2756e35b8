import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Builds the console into `dist/app`. The controller serves it below `/console/`. */
export default defineConfig({
  base: '/console/',
  plugins: [react()],
  build: {
    outDir: 'dist/app',
    // Nothing stands inline: the content security policy allows files of the controller alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
  },
});
