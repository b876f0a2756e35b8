// The server of README's examples: HTTPS with a page, and a page that never ends.
import { readFileSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import https from 'node:https';

const [key = '', cert = ''] = process.argv.slice(2);

function answer({ url }: IncomingMessage, response: ServerResponse): void {
  if (url !== '/endless') return void response.end('Welcome to the wiki.\n');
  const timer = setInterval(() => response.write('more\n'), 20);
  response.on('close', () => clearInterval(timer));
}

const secure = https.createServer({ key: readFileSync(key), cert: readFileSync(cert) }, answer);
secure.listen(443, () => http.createServer(answer).listen(80, () => console.log('listening')));
