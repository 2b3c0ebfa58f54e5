// The storage contract of oidc-provider on Redis: one key for each model, expiring by itself, and a
// list of keys for each grant, so that revoking a grant ends all that came of it.
import Redis from 'ioredis';

const client = new Redis(process.env.REDIS_URL, { keyPrefix: 'oidc:' });

// Models that carry `consumed`, which is written apart.
const consumable = new Set([
  'AuthorizationCode',
  'RefreshToken',
  'DeviceCode',
  'BackchannelAuthenticationRequest',
]);
const grantable = new Set(['AccessToken', ...consumable]);

export class RedisAdapter {
  constructor(name) {
    this.name = name;
  }

  key(id) {
    return `${this.name}:${id}`;
  }

  async upsert(id, payload, expiresIn) {
    const key = this.key(id);
    const multi = client.multi();
    if (consumable.has(this.name)) {
      multi.hset(key, { payload: JSON.stringify(payload) });
      if (expiresIn) multi.expire(key, expiresIn);
    } else if (expiresIn) {
      multi.set(key, JSON.stringify(payload), 'EX', expiresIn);
    } else {
      multi.set(key, JSON.stringify(payload));
    }
    if (grantable.has(this.name) && payload.grantId) {
      const grant = `grant:${payload.grantId}`;
      multi.rpush(grant, key);
      if (expiresIn) multi.expire(grant, Math.max(expiresIn, 14 * 24 * 3600));
    }
    if (payload.uid) multi.set(`uid:${payload.uid}`, id, 'EX', expiresIn || 3600);
    await multi.exec();
  }

  async find(id) {
    if (!consumable.has(this.name)) {
      const text = await client.get(this.key(id));
      return text ? JSON.parse(text) : undefined;
    }
    const found = await client.hgetall(this.key(id));
    if (!found.payload) return undefined;
    const payload = JSON.parse(found.payload);
    return found.consumed ? { ...payload, consumed: Number(found.consumed) } : payload;
  }

  async findByUid(uid) {
    const id = await client.get(`uid:${uid}`);
    return id ? this.find(id) : undefined;
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    await client.hset(this.key(id), 'consumed', Math.floor(Date.now() / 1000));
  }

  async destroy(id) {
    await client.del(this.key(id));
  }

  async revokeByGrantId(grantId) {
    const grant = `grant:${grantId}`;
    const keys = await client.lrange(grant, 0, -1);
    await client.del(grant, ...keys);
  }
}
