/** `tollgate audit verify`: proves a trail whole, the store's own or an export, or names the first bad event. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import type { Jwks } from '../audit/checkpoint.ts';
import { verifyExport, verifyStore } from '../audit/verify-store.ts';
import { faultLine, loadConfig } from '../config/load.ts';
import { type Command, type Surroundings, Usage } from './command.ts';

export const auditVerify: Command = {
  help: `usage: tollgate audit verify [FILE] [--config F | --data-dir D] [--keys JWKS] [--checkpoint C]

Verifies the store of a gate (--config F, or --data-dir D for a copy), or FILE, an NDJSON export of
GET /audit/export. Every event must hash to what it carries and follow the one before; the end must be what the gate
signed.

  --keys JWKS       file with the public keys you trust (the gate's /.well-known/jwks.json); needed for FILE,
                    and for a store whose own key file you do not trust
  --checkpoint C    a checkpoint you kept from before (the JWS, or a file that holds it): shows a trail that
                    was rebuilt and signed again by somebody who owns the gate's disk

Exit 0 the trail is whole, 1 it is broken, 2 usage.`,
  async run(argv, surroundings) {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c' },
        'data-dir': { type: 'string' },
        keys: { type: 'string' },
        checkpoint: { type: 'string' },
      },
    });
    const [file, ...more] = positionals;
    if (more.length > 0) throw new Usage(`one FILE at most, found ${positionals.length}`);
    const keys = values.keys === undefined ? undefined : await readKeys(values.keys);
    const checkpoint = values.checkpoint === undefined ? undefined : await readCheckpoint(values.checkpoint);
    const held = checkpoint === undefined ? {} : { checkpoint };
    let verdict: Awaited<ReturnType<typeof verifyStore>>;
    if (file !== undefined) {
      if (keys === undefined) throw new Usage('an export needs --keys: it does not carry the keys that vouch for it');
      verdict = await verifyExport({ file, keys, ...held });
    } else {
      const dataDir = values['data-dir'] ?? (await dataDirOf(values.config, surroundings));
      verdict = await verifyStore({ dataDir, ...(keys === undefined ? {} : { keys }), ...held });
    }
    if (!verdict.ok) {
      surroundings.out(`broken${verdict.seq === null ? '' : ` at event ${verdict.seq}`}: ${verdict.reason}`);
      return 1;
    }
    surroundings.out(`good: ${verdict.seq} events, last hash ${verdict.hash}`);
    surroundings.out(
      `signed up to event ${verdict.signedSeq ?? 0}${verdict.heldSeq === null ? '' : `, your checkpoint vouches for ${verdict.heldSeq}`}`,
    );
    if (verdict.openIntents > 0) surroundings.out(`${verdict.openIntents} calls had no outcome yet`);
    return 0;
  },
};

async function dataDirOf(config: string | undefined, { env }: Surroundings): Promise<string> {
  if (config === undefined) throw new Usage('name what to verify: FILE, --config F or --data-dir D');
  const loaded = await loadConfig(config, env);
  if ('faults' in loaded) throw new Error(loaded.faults.map(faultLine).join('\n'));
  return loaded.config.gateway.data_dir;
}

async function readKeys(file: string): Promise<Jwks> {
  const keys = JSON.parse(await readFile(file, 'utf8')) as Partial<Jwks>;
  if (!Array.isArray(keys.keys)) throw new Usage(`${file} is not a JWKS: expected {"keys": [...]}`);
  return keys as Jwks;
}

const compactJws = /^[\w-]+\.[\w-]+\.[\w-]+$/;

async function readCheckpoint(value: string): Promise<string> {
  const text = compactJws.test(value) ? value : (await readFile(value, 'utf8')).trim();
  if (!compactJws.test(text)) throw new Usage(`${value} is neither a checkpoint nor a file that holds one`);
  return text;
}
