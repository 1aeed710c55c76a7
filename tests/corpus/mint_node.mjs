/**
 * Mint session secrets with Node's web and token libraries.
 *
 * Writes kinds as JSON Lines to stdout, for contexts.py to put into log lines:
 *
 *     node mint_node.mjs | python contexts.py > node.jsonl
 *
 * Where a library takes its randomness from the operating system a second run gives
 * other values of the same form. Every key below is synthetic.
 */
import { createHash, createHmac, randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import path from "node:path";
import { inspect } from "node:util";

const require = createRequire(path.join(process.cwd(), "package.json"));
const load = async (name) => import(require.resolve(name));
const KEY = "corpus-key-not-used-anywhere-else-0123456789abcdef";
const MANY = 10;

/** The library and its version. */
function made(name) {
  const file = path.join(process.cwd(), "node_modules", name, "package.json");
  return `${name} ${JSON.parse(readFileSync(file, "utf8")).version}`;
}

function emit(kind) {
  process.stdout.write(JSON.stringify(kind) + "\n");
}

async function several(mint, count = MANY) {
  const values = [];
  for (let number = 0; number < count; number++) values.push(await mint(number));
  return values;
}

/** Answers of a request handler, asked over a real connection. */
async function withServer(handler, use) {
  const server = createServer(handler);
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  try {
    return await use(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

/** The Set-Cookie headers of one GET as [name, value on the wire]. */
async function cookiesOf(url, headers = {}) {
  const response = await fetch(url, { headers, redirect: "manual" });
  await response.text();
  return Object.fromEntries(
    response.headers.getSetCookie().map((header) => {
      const pair = header.split(";", 1)[0];
      const at = pair.indexOf("=");
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

async function expressKinds() {
  const { default: express } = await load("express");
  const { default: session } = await load("express-session");
  const { default: cookieSession } = await load("cookie-session");

  const stored = express();
  stored.use(session({ secret: KEY, resave: false, saveUninitialized: true, store: new session.MemoryStore() }));
  const dumps = [];
  stored.get("/", (request, response) => {
    request.session.userId = 7;
    dumps.push([request.sessionID, inspect(request.session, { breakLength: 80 })]);
    response.send("ok");
  });
  const sids = await withServer(stored, (url) => several(async () => (await cookiesOf(url))["connect.sid"]));
  emit({
    kind: "express-session", made_by: made("express-session"), name: "connect.sid", member: "sid", values: sids,
    carriers: ["cookie"], noun: "session", named: 14,
  });
  // The id alone, as a store or `req.sessionID` shows it.
  emit({
    kind: "express-session-id", made_by: made("express-session"), name: "sessionID", values: dumps.map(([id]) => id),
    carriers: ["field"], noun: "session", named: 8,
    only: [
      "json-flat", "json-pretty", "prose-named", "java-to-string-quoted", "structlog-console", "logfmt", "json-in-json",
      "redis-monitor", "sql-positional", "prose-bare", "traceback-locals",
    ],
    native: dumps.slice(0, 3).map(([id, text], at) => ({
      context: "node-inspect-session",
      text: `[${new Date(1772440000000 + at).toISOString()}] store.set { sid: '${id}', data: ${text} }`,
      secrets: [id],
    })),
  });

  const inCookie = express();
  inCookie.use(cookieSession({ name: "session", keys: [KEY] }));
  inCookie.get("/:n", (request, response) => {
    request.session.user = { id: Number(request.params.n), roles: ["member"] };
    response.send("ok");
  });
  const pairs = await withServer(inCookie, (url) => several((n) => cookiesOf(`${url}/${n}`)));
  emit({
    kind: "cookie-session", made_by: made("cookie-session"), name: "session", member: "session_cookie", noun: "session",
    values: pairs.map((pair) => pair.session), carriers: ["cookie"], beside: [["session.sig", pairs[9]["session.sig"]]],
    told_by_shape: true,
  });
  emit({
    kind: "cookie-session-sig", made_by: made("cookie-session"), name: "session.sig", member: "session_sig",
    values: pairs.map((pair) => pair["session.sig"]), carriers: ["cookie"], noun: "session signature", named: 6, unnamed: 2,
  });
}

async function csrfKinds() {
  const { default: express } = await load("express");
  const { default: cookieParser } = await load("cookie-parser");
  const { default: csurf } = await load("csurf");
  const { doubleCsrf } = await load("csrf-csrf");

  const old = express();
  old.use(cookieParser(KEY), csurf({ cookie: true }));
  old.get("/", (request, response) => response.send(request.csrfToken()));
  const both = await withServer(old, (url) =>
    several(async () => {
      const response = await fetch(url);
      const cookie = response.headers.getSetCookie()[0];
      return [cookie.split(";", 1)[0].slice("_csrf=".length), await response.text()];
    }),
  );
  emit({ kind: "csurf-cookie", made_by: made("csurf"), name: "_csrf", member: "csrf_secret", values: both.map(([secret]) => secret), carriers: ["cookie"], noun: "CSRF secret" });
  emit({ kind: "csurf-form", made_by: made("csurf"), name: "_csrf", member: "csrf_token", header: "CSRF-Token", values: both.map(([, token]) => token), carriers: ["field", "header"], noun: "CSRF token" });

  const doubled = doubleCsrf({ getSecret: () => KEY, getSessionIdentifier: () => "session", cookieName: "__Host-psifi.x-csrf-token" });
  const modern = express();
  modern.use(cookieParser());
  modern.get("/", (request, response) => response.send(doubled.generateCsrfToken(request, response)));
  const cookies = await withServer(modern, (url) => several(async () => (await cookiesOf(url))["__Host-psifi.x-csrf-token"]));
  emit({
    kind: "csrf-csrf", made_by: made("csrf-csrf"), name: "__Host-psifi.x-csrf-token", member: "csrf_token", header: "x-csrf-token",
    values: cookies, carriers: ["cookie", "header"], noun: "CSRF token",
  });
}

async function koaKinds() {
  const { default: Koa } = await load("koa");
  const sessionModule = await load("koa-session");
  const session = sessionModule.createSession ?? sessionModule.default;
  const app = new Koa();
  app.keys = [KEY];
  app.use(session({ key: "koa.sess" }, app));
  app.use(async (context) => {
    context.session.user = context.path;
    context.body = "ok";
  });
  const pairs = await withServer(app.callback(), (url) => several((n) => cookiesOf(`${url}/${n}`)));
  emit({
    kind: "koa-session", made_by: made("koa-session"), name: "koa.sess", member: "koa_session", values: pairs.map((pair) => pair["koa.sess"]),
    carriers: ["cookie"], beside: [["koa.sess.sig", pairs[0]["koa.sess.sig"]]], noun: "session", told_by_shape: true,
  });
}

async function ironKinds() {
  const Iron = (await load("@hapi/iron")).default ?? (await load("@hapi/iron"));
  const { sealData } = await load("iron-session");
  emit({
    kind: "iron-seal", made_by: made("@hapi/iron"), name: "sid", member: "session_seal", noun: "session", told_by_shape: true,
    values: await several((n) => Iron.seal({ user: n }, KEY, { ...Iron.defaults, ttl: 3600_000 })), carriers: ["cookie", "field"],
  });
  emit({
    kind: "iron-session", made_by: made("iron-session"), name: "iron-session", member: "iron_session", noun: "session", told_by_shape: true,
    values: await several((n) => sealData({ user: n }, { password: KEY, ttl: 3600 })), carriers: ["cookie"],
  });
}

async function authKinds() {
  const { encode } = await load("@auth/core/jwt");
  const by = made("@auth/core");
  const salt = "authjs.session-token";
  const token = (n, more = {}) => encode({ token: { sub: String(n), name: `User ${n}`, email: `user${n}@example.com`, ...more }, secret: KEY, salt, maxAge: 3600 });
  emit({
    kind: "authjs-session", made_by: by, name: "__Secure-authjs.session-token", member: "session_token", values: await several((n) => token(n)),
    carriers: ["cookie"], noun: "session token", told_by_shape: true,
  });
  emit({
    kind: "nextauth-session", made_by: by, name: "next-auth.session-token", member: "session_token", values: await several((n) => token(n)),
    carriers: ["cookie"], noun: "session token", told_by_shape: true, named: 7, unnamed: 1,
  });
  // Auth.js splits what exceeds 4096 bytes less 160 for the attributes.
  const long = await token(1, { groups: Array.from({ length: 110 }, (_, at) => `group-${at}-of-the-organisation`) });
  const name = "__Secure-authjs.session-token";
  const chunks = [long.slice(0, 3936), long.slice(3936)];
  const chunked = [
    `GET /dashboard HTTP/1.1\r\nHost: app.example.org\r\nCookie: theme=dark; ${name}.0=${chunks[0]}; ${name}.1=${chunks[1]}; lang=en\r\n`,
    `Set-Cookie: ${name}.1=${chunks[1]}; Path=/; HttpOnly; Secure; SameSite=Lax`,
    JSON.stringify({ cookies: { [`${name}.0`]: chunks[0], [`${name}.1`]: chunks[1], _ga: "GA1.2.1.2" }, requestId: randomUUID() }),
  ];
  emit({
    kind: "authjs-session-chunked", made_by: by, name, values: ["unused"], carriers: [],
    native: chunked.map((text, at) => ({ context: `cookie-chunks-${at}`, text, secrets: chunks.filter((chunk) => text.includes(chunk)) })),
  });
  emit({
    kind: "authjs-csrf", made_by: by + " (format)", name: "__Host-authjs.csrf-token", member: "csrf_token", noun: "CSRF token",
    values: await several(() => {
      const token = randomBytes(32).toString("hex");
      return `${token}%7C${createHash("sha256").update(token + KEY).digest("hex")}`;
    }),
    carriers: ["cookie"], named: 8, unnamed: 2,
  });
  emit({
    kind: "authjs-email-link", made_by: by + " (format)", name: "token", noun: "sign-in token", values: await several(() => randomBytes(32).toString("hex")), carriers: [],
    native: await several(async (n) => {
      const token = randomBytes(32).toString("hex");
      const query = `callbackUrl=https%3A%2F%2Fapp.example.org%2F&token=${token}&email=user${n}%40example.com`;
      return [
        { context: "link-query-log", text: `10.4.7.${n} - - [02/Mar/2026:08:00:0${n} +0000] "GET /api/auth/callback/email?${query} HTTP/1.1" 302 0 "-" "curl/8.11.1"`, secrets: [token] },
        { context: "link-query-mail", text: `Sign in to app.example.org\n\nhttps://app.example.org/api/auth/callback/email?${query}\n\n`, secrets: [token] },
        { context: "link-query-console", text: `[auth][debug]: { url: 'https://app.example.org/api/auth/callback/email?${query}', identifier: 'user${n}@example.com' }`, secrets: [token] },
      ][n % 3];
    }, 6),
  });
  for (const [context, kind] of [["pkce", "authjs.pkce.code_verifier"], ["state", "authjs.state"]]) {
    emit({
      kind: `authjs-${context}-cookie`, made_by: by, name: `__Secure-${kind}`, member: context === "pkce" ? "code_verifier" : "oauth_state",
      values: await several(() => encode({ token: { value: randomBytes(32).toString("base64url") }, secret: KEY, salt: kind, maxAge: 900 }), 6),
      carriers: ["cookie"], noun: context === "pkce" ? "code verifier" : "OAuth state", told_by_shape: true, named: 5, unnamed: 1,
    });
  }
}

async function tokenKinds() {
  const jose = await load("jose");
  const { default: jsonwebtoken } = await load("jsonwebtoken");
  const secret = createHash("sha256").update(KEY).digest();
  const issued = 1772438400;
  emit({
    kind: "jose-jwt", made_by: made("jose"), name: "accessToken", noun: "access token", told_by_shape: true,
    values: await several((n) => new jose.SignJWT({ scope: "read" }).setProtectedHeader({ alg: "HS256", typ: "at+jwt", kid: `k${n}` }).setSubject(String(n)).setIssuedAt(issued).setExpirationTime(issued + 900).sign(secret)),
    carriers: ["auth", "field"],
  });
  emit({
    kind: "jose-jwe", made_by: made("jose"), name: "sessionToken", noun: "session token", told_by_shape: true,
    values: await several((n) => new jose.EncryptJWT({ user: n }).setProtectedHeader({ alg: "dir", enc: "A256GCM" }).setIssuedAt(issued).encrypt(secret)),
    carriers: ["cookie", "field"],
  });
  emit({
    kind: "jsonwebtoken", made_by: made("jsonwebtoken"), name: "token", noun: "token", told_by_shape: true,
    values: await several((n) => jsonwebtoken.sign({ id: n, iat: issued }, KEY, { expiresIn: "1h" })), carriers: ["auth", "field", "cookie"], named: 14,
  });
  emit({
    kind: "jsonwebtoken-refresh", made_by: made("jsonwebtoken"), name: "refreshToken", noun: "refresh token", told_by_shape: true,
    values: await several((n) => jsonwebtoken.sign({ id: n, type: "refresh", iat: issued }, KEY, { expiresIn: "30d", algorithm: "HS512" })), carriers: ["field", "cookie"],
  });
  const refused = await several((n) => {
    const token = jsonwebtoken.sign({ id: n, iat: issued - 90000 }, KEY, { expiresIn: "1h" });
    return {
      context: "node-inspect-error",
      text: `TokenExpiredError: jwt expired\n    at /srv/app/node_modules/jsonwebtoken/verify.js:190:21\n${inspect({ headers: { host: "api.example.com", authorization: `Bearer ${token}`, "x-request-id": randomUUID() }, params: {}, body: { refreshToken: token } }, { breakLength: Infinity })}`,
      secrets: [token],
    };
  }, 3);
  emit({ kind: "jsonwebtoken-refused", made_by: made("jsonwebtoken"), name: "token", values: ["unused"], carriers: [], native: refused });
}

async function opaqueKinds() {
  const { nanoid } = await load("nanoid");
  const by = made("nanoid");
  // oidc-provider mints opaque tokens as 43 characters of this alphabet.
  emit({ kind: "oidc-provider-access", made_by: by, name: "access_token", noun: "access token", values: await several(() => nanoid(43)), carriers: ["auth", "field"] });
  emit({ kind: "oidc-provider-refresh", made_by: by, name: "refresh_token", noun: "refresh token", values: await several(() => nanoid(43)), carriers: ["field"] });
  emit({ kind: "oidc-provider-session", made_by: by, name: "_session", member: "session_id", noun: "session", values: await several(() => nanoid(21)), carriers: ["cookie"], beside: [["_session.sig", createHmac("sha1", KEY).update("_session").digest("base64url")]] });
  emit({ kind: "oidc-provider-interaction", made_by: by, name: "_interaction", member: "interaction", noun: "interaction", values: await several(() => nanoid(21)), carriers: ["cookie"], named: 4, unnamed: 0 });
  emit({ kind: "passport-remember-me", made_by: "node:crypto " + process.version, name: "remember_me", noun: "remember-me token", values: await several(() => randomBytes(32).toString("base64url")), carriers: ["cookie"] });
  emit({ kind: "nanoid-api-session", made_by: by, name: "sessionId", noun: "session", values: await several(() => nanoid()), carriers: ["field"] });

  const { encodeBase32LowerCaseNoPadding, encodeHexLowerCase } = await load("@oslojs/encoding");
  emit({ kind: "lucia-session", made_by: made("@oslojs/encoding"), name: "auth_session", noun: "session", values: await several(() => encodeBase32LowerCaseNoPadding(randomBytes(20))), carriers: ["cookie"] });
  emit({ kind: "lucia-session-hash-id", made_by: made("@oslojs/encoding"), name: "session_token", noun: "session token", values: await several(() => encodeHexLowerCase(randomBytes(32))), carriers: ["cookie", "field"], named: 6, unnamed: 2 });
}

async function betterAuthKinds() {
  const { betterAuth } = await load("better-auth");
  const auth = betterAuth({ secret: KEY, baseURL: "http://localhost:3000", emailAndPassword: { enabled: true }, logger: { disabled: true }, telemetry: { enabled: false }, rateLimit: { enabled: false } });
  const values = await several(async (n) => {
    const response = await auth.api.signUpEmail({ body: { name: `User ${n}`, email: `user${n}@example.com`, password: "correct horse battery" }, asResponse: true });
    const header = response.headers.getSetCookie().find((line) => line.includes("session_token="));
    return header.split(";", 1)[0].split("session_token=")[1];
  }, 8);
  emit({ kind: "better-auth-session", made_by: made("better-auth"), name: "better-auth.session_token", member: "session_token", noun: "session token", values, carriers: ["cookie"] });
}

async function socketKinds() {
  const { Server } = await load("socket.io");
  const server = createServer();
  const io = new Server(server, { transports: ["polling"] });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const url = `http://127.0.0.1:${server.address().port}/socket.io/?EIO=4&transport=polling`;
  const opened = await several(async () => (await fetch(url)).text());
  const ids = opened.map((packet) => JSON.parse(packet.slice(1)).sid);
  io.close();
  server.closeAllConnections();
  emit({
    kind: "socketio-sid", made_by: made("socket.io"), name: "sid", noun: "session", values: ids, carriers: ["field"], named: 5, unnamed: 2,
    only: ["json-flat", "json-pretty", "prose-bare", "go-map-params", "httpx-log-query", "referer-query", "redis-monitor"],
    native: ids.slice(0, 6).map((id, at) => [
      { context: "socketio-polling-log", text: `203.0.113.${at} - - [02/Mar/2026:08:00:0${at} +0000] "GET /socket.io/?EIO=4&transport=polling&t=PkGb${at}Xq&sid=${id} HTTP/1.1" 200 32 "https://app.example.org/" "Mozilla/5.0"`, secrets: [id] },
      { context: "socketio-open-packet", text: `engine intercepted open packet ${opened[at]}`, secrets: [id] },
      { context: "socketio-websocket-url", text: `WebSocket connection to 'wss://app.example.org/socket.io/?EIO=4&transport=websocket&sid=${id}' failed: Error during WebSocket handshake: Unexpected response code: 400`, secrets: [id] },
    ][at % 3]),
  });
}

for (const mint of [expressKinds, csrfKinds, koaKinds, ironKinds, authKinds, tokenKinds, opaqueKinds, betterAuthKinds, socketKinds]) {
  try {
    await mint();
  } catch (error) {
    process.stderr.write(`${mint.name}: ${error.stack}\n`);
    process.exitCode = 1;
  }
}
process.exit();
