/** The console in a real browser: a person signs in, takes a recorded input, tries it, changes it, and sees why. */
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { McpServerFake } from '../fakes/mcp-server.ts';
import { type OpenedTask, World } from '../gateway/world.ts';
import { part } from '../parts.ts';
import { ConsoleBrowser } from './console-browser.ts';

const fixture = resolve(import.meta.dirname, '../fixtures/policy');
const hostile = '</textarea><img src=x onerror=alert(1)><script>alert(2)</script>"\'>{{7*7}}';

describe('the console in a browser', { ...part('opa'), ...part('chromium'), timeout: 240_000 }, () => {
  let world: World;
  let folder = '';
  let task: OpenedTask;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tollgate-candidate-'));
    await cp(fixture, folder, { recursive: true });
    const file = join(folder, 'tollgate/call/decision.rego');
    const more = 'deny contains {"code": "over_the_new_limit", "message": "More than the candidate lets pass."} if {';
    const rule = `\n${more}\n\tinput.call.arguments.body.amount_cents > 60\n}\n`;
    await writeFile(file, `${await readFile(file, 'utf8')}${rule}`);
    world = await World.open({
      config: {
        policy: { shadow: folder },
        budget: { agents: { coordinator: { per: 'month', calls: 4 } } },
      },
    });
    task = await world.task({ labels: { sum_limit: '100', note: hostile } });
    assert.equal((await world.refund(task.token, 70, { note: hostile })).status, 200);
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    if (folder !== '') await rm(folder, { recursive: true, force: true });
  });

  const recorded = async () => {
    const response = await world.admin(`/policy/inputs?phase=call&task=${task.id}`);
    return ((await response.json()) as { inputs: { event: string }[] }).inputs[0]?.event ?? '';
  };

  test('[server.console-playground] pick a recorded input, evaluate, change it until it is denied, see the rule that fired', async () => {
    await using browser = await ConsoleBrowser.open(world.gate.adminUrl);
    const { page } = browser;
    await browser.signIn(world.gate.adminToken);
    await page.getByRole('heading', { name: 'Policy playground' }).waitFor();
    await page.getByRole('textbox', { name: 'task', exact: true }).fill(task.id);
    await page.getByRole('combobox', { name: 'phase', exact: true }).selectOption('call');
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.getByText('1 shown, that is all.').waitFor();
    await page.getByRole('link', { name: /orders\.create_refund/ }).click();
    await page.locator('.then', { hasText: /Recorded .*: allow/ }).waitFor();
    const text = await browser.input.inputValue();
    assert.equal(JSON.parse(text).call.arguments.body.amount_cents, 70);
    assert.match(page.url(), new RegExp(`#/playground\\?event=${await recorded()}$`), 'the link names the event alone');

    await browser.evaluate();
    assert.equal(await browser.side('active').locator('p.verdict').innerText(), 'allow differs');
    assert.equal(await browser.side('candidate').locator('p.verdict').innerText(), 'deny differs');
    const reason = browser.side('candidate').locator('.reasons li');
    assert.match(await reason.innerText(), /over_the_new_limit.*differs/s);
    const summary = await page.locator('.results [role=status]').innerText();
    assert.equal(summary, 'Active: allow. Candidate: deny (over_the_new_limit). The two differ.');

    const received = world.orders.received.length;
    await browser.input.fill(text.replace('"amount_cents": 70', '"amount_cents": 7000'));
    await page.getByText('The input was edited since.').waitFor();
    await browser.evaluate();
    const active = browser.side('active');
    assert.equal(await active.locator('p.verdict').innerText(), 'deny');
    assert.match(await active.locator('.reasons').innerText(), /sum_over_limit/);
    const fired = active.locator('details.outcome.fired');
    assert.equal(await fired.getAttribute('open'), '');
    const rule = fired.locator('details.rule', { hasText: 'tollgate.call.deny' });
    await rule.locator('summary').click();
    assert.match(await rule.locator('pre').innerText(), /sum_over_limit[\s\S]*spent \+ amount > limit/);
    assert.match(await rule.locator('.where').innerText(), /^tollgate\/call\/decision\.rego:\d+$/);
    assert.equal(world.orders.received.length, received, 'nothing is called by it');
    assert.deepEqual(browser.alarms, []);
  });

  test('[server.console-hostile-text] what agents wrote is shown as text, wherever it stands', async () => {
    await using browser = await ConsoleBrowser.open(
      world.gate.adminUrl,
      `#/playground?event=${await recorded()}`,
      true,
    );
    const { page } = browser;
    await browser.signIn(world.gate.adminToken);
    await page.locator('.then', { hasText: /Recorded .*: allow/ }).waitFor();
    const input = JSON.parse(await browser.input.inputValue());
    assert.equal(input.task.labels.note, hostile);
    input.task.labels.oblige = JSON.stringify({ mark: { [hostile]: hostile } });
    await browser.input.fill(JSON.stringify(input));
    await browser.evaluate();
    const shown = await browser.side('active').locator('.obligations').innerText();
    assert.ok(shown.includes('onerror=alert(1)') && shown.includes('<script>'), shown);
    input[hostile] = 1;
    await browser.input.fill(JSON.stringify(input));
    await browser.evaluate();
    await page.getByText('there is no such member').waitFor();
    await page.getByRole('textbox', { name: 'agent', exact: true }).fill(hostile);
    await page.getByRole('button', { name: 'Filter' }).click();
    await page.getByText('No recorded input fits.').waitFor();
    assert.equal(await page.locator('img, iframe, object, #console script').count(), 0);
    await page.evaluate(`location.hash = ${JSON.stringify(`#/${encodeURIComponent(hostile)}`)}`);
    await page.getByRole('heading', { name: 'Not found' }).waitFor();
    assert.deepEqual(browser.alarms, []);
  });

  test('the policy of the page stops what a script in it would do', async () => {
    await using browser = await ConsoleBrowser.open(world.gate.adminUrl);
    await browser.page.evaluate(
      `document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="window.broken = 1">')`,
    );
    await browser.page.evaluate(`new Promise((done) => setTimeout(done, 200))`);
    assert.equal(await browser.page.evaluate('window.broken'), undefined);
    assert.match(browser.alarms.join('\n'), /Content Security Policy/, 'and the alarm of these tests can go off');
  });

  test('a wrong token opens nothing, a right one stays with this tab until it signs out', async () => {
    await using browser = await ConsoleBrowser.open(world.gate.adminUrl);
    const { page } = browser;
    await page.getByText('The content of the file admin-token').waitFor();
    await browser.signIn('not-the-token');
    await page.getByText('The gate does not take this token.').waitFor();
    assert.equal(await page.getByRole('heading', { name: 'Policy playground' }).count(), 0);
    assert.equal(await page.evaluate('sessionStorage.length'), 0);
    await browser.signIn(world.gate.adminToken);
    await page.getByRole('heading', { name: 'Policy playground' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Policy playground' }).waitFor();
    assert.equal(await page.evaluate('localStorage.length + document.cookie.length'), 0);
    const another = await page.context().newPage();
    await another.goto(`${world.gate.adminUrl}/console/`);
    await another.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    assert.equal(await page.evaluate('sessionStorage.length'), 0);
    assert.deepEqual(browser.alarms, []);
  });

  test('a token that stops being taken ends the session at the next thing that is asked', async () => {
    await using browser = await ConsoleBrowser.open(world.gate.adminUrl);
    const { page } = browser;
    await browser.signIn(world.gate.adminToken);
    await page.getByText(/shown/).first().waitFor();
    await page.route('**/policy/evaluate', (route) =>
      route.fulfill({ status: 401, body: '{"code":"unauthenticated"}' }),
    );
    await page.getByRole('button', { name: 'Evaluate' }).click();
    await page.getByText('The gate does not take this token any more.').waitFor();
    assert.equal(await page.evaluate('sessionStorage.length'), 0);
  });

  test('[server.console-budgets] what was spent is drawn by day and group, in tables as well, with limits and tasks', async () => {
    await using browser = await ConsoleBrowser.open(world.gate.adminUrl, '#/budgets', true);
    const { page } = browser;
    assert.equal((await world.chat(task.token)).status, 200);
    await browser.signIn(world.gate.adminToken);
    await page.getByRole('heading', { name: 'Budgets', exact: true }).waitFor();
    const summary = page.locator('main > [role=status]');
    await summary.filter({ hasText: 'for 2 calls and 15 tokens' }).waitFor();
    assert.match(
      await page.locator('.plot svg[role=img]').getAttribute('aria-label').then(String),
      /^cost by day and agent/,
    );
    assert.equal(await page.locator('.plot svg rect.bar title').count(), 1, 'one day, one agent');
    const byAgent = page.getByRole('region', { name: 'Spending by agent, table' });
    assert.match(
      await byAgent.locator('tbody tr').innerText(),
      /^azure\/coordinator\s+\$0\.00002\s+100 %\s+2\s+15\s+10\s+5/,
    );

    await page.getByLabel('group by').selectOption('route');
    await page.getByLabel('shown as').selectOption('calls');
    await page.getByRole('button', { name: 'Show' }).click();
    await page.getByRole('heading', { name: 'Spending by route' }).waitFor();
    assert.match(page.url(), /#\/budgets\?.*by=route&measure=calls$/, 'a link shows the same to others');
    await page.locator('.legend', { hasText: 'orders' }).waitFor();
    assert.deepEqual((await page.locator('.legend').innerText()).match(/gpt|orders|\b1\b/g)?.toSorted(), [
      '1',
      '1',
      'gpt',
      'orders',
    ]);
    await page.getByText('By day', { exact: true }).click();
    const today = new Date().toISOString().slice(0, 10);
    const byDay = page.getByRole('region', { name: 'Spending by day, table' });
    assert.match(await byDay.locator('tbody tr').innerText(), new RegExp(`^${today}\\s+1\\s+1\\s+2$`));

    const limit = page.locator('.limits li', { hasText: 'agent azure/coordinator' });
    assert.match(await limit.innerText(), /per month, until .* UTC/);
    const meter = limit.getByRole('meter', { name: 'calls' });
    assert.deepEqual(
      [await meter.getAttribute('aria-valuenow'), await meter.getAttribute('aria-valuetext')],
      ['50', '50 % of 4'],
    );
    assert.match(
      await page.locator('.tasks tbody tr').first().innerText(),
      new RegExp(`^${task.id}\\s+acme/coordinator`),
    );

    await page.getByRole('textbox', { name: 'agent', exact: true }).fill(hostile);
    await page.getByRole('button', { name: 'Show' }).click();
    await page.getByText(/^Nothing was spent/).waitFor();
    await page.getByRole('link', { name: 'Policy playground' }).click();
    await page.getByRole('heading', { name: 'Policy playground' }).waitFor();
    await page.setViewportSize({ width: 360, height: 740 });
    await page.getByRole('link', { name: 'Budgets' }).click();
    await page.getByRole('heading', { name: 'Tasks that spent most' }).waitFor();
    assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true);
    const nameless = `[...document.querySelectorAll('input, select')].filter((one) => one.labels.length === 0).length`;
    assert.equal(await page.evaluate(nameless), 0);
    assert.deepEqual(browser.alarms, []);
  });

  test('[server.console-keyboard] all of it can be done with the keyboard alone', async () => {
    await using browser = await ConsoleBrowser.open(world.gate.adminUrl);
    const { page } = browser;
    const press = (...keys: readonly string[]) =>
      keys.reduce((last, key) => last.then(() => page.keyboard.press(key)), Promise.resolve());
    const focused = () => page.evaluate('document.activeElement.textContent.trim() || document.activeElement.id');
    const tabTo = async (wanted: RegExp) => {
      for (let time = 0; time < 60; time++) {
        if (wanted.test(String(await focused()))) return;
        await press('Tab');
      }
      assert.fail(`the keyboard does not come to ${wanted}`);
    };
    // The field has the focus from the start.
    await page.getByText('The content of the file admin-token').waitFor();
    await page.keyboard.type(world.gate.adminToken);
    await press('Enter');
    await page
      .getByRole('link', { name: /orders\.create_refund/ })
      .first()
      .waitFor();
    await tabTo(/^Skip to the content$/);
    await press('Enter');
    await tabTo(/orders\.create_refund/);
    await press('Enter');
    await page.getByText(/^Recorded /).waitFor();
    await tabTo(/^input$/);
    await press('Control+A');
    await page.keyboard.insertText('{"phase": "call",}');
    await page.getByText('Line 1, column 18: expected a name in double quotes.').waitFor();
    await tabTo(/^Go there$/);
    await press('Enter', 'Control+Z');
    await page.getByText(/^Line 1/).waitFor({ state: 'detached' });
    const answered = page.waitForResponse((response) => response.url().endsWith('/policy/evaluate'));
    await press('Control+Enter');
    assert.equal((await answered).status(), 200);
    await browser.side('active').waitFor();
    await tabTo(/^Fired/);
    await tabTo(/tollgate\.call\.decision/);
    await press('Enter');
    await browser.side('active').getByLabel('Source of decision').waitFor();
    assert.deepEqual(browser.alarms, []);
  });

  test('on a narrow screen nothing runs over the side, and every field has a label', async () => {
    await using browser = await ConsoleBrowser.open(world.gate.adminUrl);
    const { page } = browser;
    await page.setViewportSize({ width: 360, height: 740 });
    await browser.signIn(world.gate.adminToken);
    await page.getByText(/shown/).first().waitFor();
    await browser.evaluate();
    assert.equal(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), true);
    const nameless = `[...document.querySelectorAll('input, select, textarea')].filter((one) => one.labels.length === 0).length`;
    assert.equal(await page.evaluate(nameless), 0);
    assert.equal(await page.evaluate('document.querySelectorAll("h1").length'), 1);
  });

  test('[catalogue.console-accept] a changed tool is shown with what has changed, as text, and accepted by a button', async () => {
    const tool = (description: string) => ({ name: 'look_up', description, inputSchema: { type: 'object' } });
    await using server = await McpServerFake.open([tool('Looks a customer up.')]);
    const written = JSON.parse(await readFile(world.configFile, 'utf8')) as { routes: object[] };
    const target = { name: 'one', cloud: 'azure', region: 'westeurope', url: server.url };
    const crm = { name: 'crm', kind: 'mcp', refresh_seconds: 1, targets: [target] };
    await writeFile(world.configFile, JSON.stringify({ ...written, routes: [...written.routes, crm] }));
    assert.equal((await world.gate.reload('signal')).outcome, 'applied');
    const state = async () => {
      const { routes } = (await (await world.admin('/tools')).json()) as { routes: { tools: { state: string }[] }[] };
      return routes[0]?.tools[0]?.state;
    };
    while ((await state()) !== 'accepted') await setTimeout(50);
    server.tools = [tool(`Looks a customer up.\u200b${hostile}`)];
    while ((await state()) !== 'drifted') await setTimeout(50);

    await using browser = await ConsoleBrowser.open(world.gate.adminUrl, '#/tools');
    const { page } = browser;
    await browser.signIn(world.gate.adminToken);
    const status = page.locator('main > [role=status]');
    await status.filter({ hasText: 'One tool has changed.' }).waitFor();
    const change = page.locator('[data-tool=look_up] .change');
    assert.equal(await change.locator('code').innerText(), '/description');
    assert.equal(await change.locator('del').innerText(), 'Looks a customer up.');
    assert.equal(await change.locator('ins').innerText(), `Looks a customer up.\\u{200B}${hostile}`);
    await page.getByRole('button', { name: 'Accept this definition of look_up' }).click();
    await status.filter({ hasText: 'Accepted: crm look_up. Nothing has changed.' }).waitFor();
    assert.equal(await state(), 'accepted');
    assert.equal((await world.events({ operation: 'tools.accept' })).length, 1);
    assert.deepEqual(browser.alarms, []);
  });
});
