/** Whose requests the MCP endpoint takes, by their Host and Origin. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type OwnPlace, strangerFault } from '../../../../src/server/mcp/foreign.ts';

const local: OwnPlace = {
  publicUrl: 'https://gate.example',
  hosts: ['gate.svc:8080', 'any-port.svc'],
  address: { host: '127.0.0.1', port: 8080 },
};
const everywhere: OwnPlace = { ...local, address: { host: '0.0.0.0', port: 8080 } };

describe('the Host and Origin of requests to the MCP endpoint', () => {
  const rows: readonly (readonly [taken: boolean, host: string, origin?: string | undefined, place?: OwnPlace])[] = [
    [true, 'gate.example'],
    [true, 'GATE.example:443'],
    [false, 'gate.example:8080'],
    [true, '127.0.0.1:8080'],
    [true, 'localhost:8080'],
    [true, '[::1]:8080'],
    // A forwarded port.
    [true, 'localhost:9999'],
    [true, '127.0.0.1:8090', undefined, everywhere],
    [true, '10.1.2.3:31000', undefined, everywhere],
    [false, '10.1.2.3:8080'],
    [true, 'gate.svc:8080'],
    [false, 'gate.svc:8081'],
    [true, 'any-port.svc:1234'],
    [true, 'Any-Port.svc'],
    [false, 'evil.example'],
    [false, 'evil.example:8080', undefined, everywhere],
    [false, 'localhost.evil.example:8080'],
    [false, '127.0.0.1.evil.example:8080', undefined, everywhere],
    [false, ''],
    [false, 'gate.example@evil.example'],
    [true, 'gate.example', 'https://gate.example'],
    [false, 'gate.example', 'http://gate.example'],
    [false, 'gate.example', 'https://evil.example'],
    [false, 'gate.example', 'null'],
    [true, 'localhost:8080', 'http://localhost:8080'],
    // A page of another program of this machine.
    [false, 'localhost:8080', 'http://localhost:3000'],
    [false, 'evil.example:8080', 'http://evil.example:8080', everywhere],
  ];
  for (const [taken, host, origin, place = local] of rows) {
    test(`${taken ? 'taken' : 'refused'}: ${host || 'no host'}${origin === undefined ? '' : ` from ${origin}`}${place === everywhere ? ', listening everywhere' : ''}`, () => {
      const fault = strangerFault({ headers: { host, ...(origin === undefined ? {} : { origin }) } }, place);
      assert.equal(fault?.status, taken ? undefined : 403);
    });
  }

  test('a request without a Host, or with two, is refused', () => {
    assert.equal(strangerFault({ headers: {} }, local)?.status, 403);
    assert.equal(strangerFault({ headers: { host: ['gate.example', 'gate.example'] } }, local)?.status, 403);
  });
});
