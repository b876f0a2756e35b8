import react from '@vitejs/plugin-react';
import { defineConfig, type Plugin } from 'vite';

/** Shows every part of the console at /console-kit. Only the development server has it. */
const kitPage: Plugin = {
  name: 'sallyport-kit-page',
  configureServer({ middlewares }) {
    middlewares.use((request, _, next) => {
      if (request.url === '/console-kit') request.url = '/console/kit.html';
      next();
    });
  },
};

/** Builds the console into `dist/app`. The controller serves it below `/console/`. */
export default defineConfig({
  base: '/console/',
  plugins: [kitPage, react()],
  build: {
    outDir: 'dist/app',
    // Nothing stands inline: the content security policy allows files of the controller alone.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: 'es2022',
  },
});
