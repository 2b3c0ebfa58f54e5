// node-oidc-provider as the bench measures it: production mode, a Redis adapter, one RS256 and one
// ES256 key, refresh tokens that rotate, no development interactions. Its login asks no password hash
// (class H0): the page's form names the user and that is believed.
//
//   PORT, REDIS_URL, CLIENT_SECRET, CALLBACK   from the environment
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

import { RedisAdapter } from './redis-adapter.mjs';

const port = Number(process.env.PORT);
const issuer = `http://localhost:${port}`;
const secret = process.env.CLIENT_SECRET;
const callback = process.env.CALLBACK;

function key(alg, type, options) {
  const { privateKey } = generateKeyPairSync(type, options);
  return { ...privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: randomUUID() };
}

// What a resource indicator's access tokens look like.
const resources = {
  'https://es256.api.example': { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } },
  'https://rs256.api.example': { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } },
};

const scope = 'openid profile email offline_access';
const service = {
  client_secret: secret,
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  scope: 'reports:read',
};
const web = {
  client_secret: secret,
  grant_types: ['authorization_code', 'refresh_token'],
  redirect_uris: [callback],
  response_types: ['code'],
  scope,
};

const provider = new Provider(issuer, {
  adapter: RedisAdapter,
  clients: [
    { client_id: 'service', ...service },
    { client_id: 'web', id_token_signed_response_alg: 'ES256', ...web },
    { client_id: 'web-rs256', id_token_signed_response_alg: 'RS256', ...web },
  ],
  claims: { openid: ['sub'], profile: ['given_name', 'family_name', 'name'], email: ['email', 'email_verified'] },
  cookies: { keys: [randomUUID()] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => ({
        scope: 'reports:read',
        audience: resource,
        accessTokenTTL: 600,
        ...resources[resource],
      }),
    },
  },
  findAccount: (ctx, id) => ({
    accountId: id,
    claims: () => ({
      sub: id,
      given_name: 'Una',
      family_name: 'User',
      name: 'Una User',
      email: `${id}@example.com`,
      email_verified: true,
    }),
  }),
  // It leaves offline_access out of a request without prompt=consent; the others do not ask for that.
  issueRefreshToken: async (ctx, client) => client.grantTypeAllowed('refresh_token'),
  // First-party clients: nobody is asked, as Countersign's `implied` consent.
  loadExistingGrant: async (ctx) => {
    const { client, session } = ctx.oidc;
    const known = session.grantIdFor(client.clientId);
    const found = known && (await provider.Grant.find(known));
    if (found) return found;
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope(scope);
    await grant.save();
    return grant;
  },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  jwks: { keys: [key('RS256', 'rsa', { modulusLength: 2048 }), key('ES256', 'ec', { namedCurve: 'P-256' })] },
  pkce: { required: () => true },
  responseTypes: ['code'],
  rotateRefreshToken: true,
  scopes: ['openid', 'offline_access', 'reports:read'],
  ttl: { AccessToken: 600, AuthorizationCode: 60, ClientCredentials: 600, Grant: 1209600, IdToken: 600, Interaction: 1800, RefreshToken: 1209600, Session: 43200 },
});

const page = (uid) => `<!doctype html><title>Sign in</title>
<form method="post" action="/interaction/${uid}"><input name="username"><input type="password" name="password"><button>Sign in</button></form>`;

async function interact(request, response) {
  const { uid } = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page(uid));
    return;
  }
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const form = new URLSearchParams(Buffer.concat(chunks).toString());
  const result = { login: { accountId: form.get('username') }, consent: {} };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}

const handle = provider.callback();
createServer((request, response) => {
  if (!request.url.startsWith('/interaction/')) {
    handle(request, response);
    return;
  }
  interact(request, response).catch((error) => {
    response.writeHead(500).end(String(error));
  });
}).listen(port, '127.0.0.1');
