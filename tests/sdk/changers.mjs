// An Express app whose handlers parse first, as many do, and hand on what they have then. POST /WAY answers with the bytes
// that such a handler would verify. The port is the first line on standard output.
import express from 'express';

const app = express();
const any = { type: () => true, limit: '5mb' };
const way = (name, parse, write) =>
  app.post(`/${name}`, parse, (req, res) => res.type('application/octet-stream').send(Buffer.from(write(req.body))));

way('stringify', express.json(any), (body) => JSON.stringify(body));
way('stringify-indented', express.json(any), (body) => JSON.stringify(body, null, 2));
way('stringify-text', express.text(any), (body) => JSON.stringify(body));
way('form', express.urlencoded({ ...any, extended: true }), (body) => new URLSearchParams(body).toString());
way('form-components', express.urlencoded(any), (body) =>
  Object.entries(body).map((pair) => pair.map(encodeURIComponent).join('=')).join('&'));
way('form-as-json', express.urlencoded(any), (body) => JSON.stringify(body));
way('latin1', express.raw(any), (body) => body.toString('latin1'));
way('base64', express.raw(any), (body) => body.toString('base64'));
way('bytes', express.raw(any), (body) => body);

const server = app.listen(0, '127.0.0.1', () => console.log(server.address().port));
