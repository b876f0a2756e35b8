import { readFileSync } from 'node:fs';
import http from 'node:http';

/** The lower bound of a list's cost: `node:http` that stringifies the same objects for every request. */
const [file = '', port = ''] = process.argv.slice(2);
const objects: unknown = JSON.parse(readFileSync(file, 'utf8'));
http
  .createServer((_, response) => {
    const text = JSON.stringify(objects);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) });
    response.end(text);
  })
  .listen(Number(port), '127.0.0.1', () => console.log('ready'));
