/** A real browser at the console of a gate, which watches for what a hostile text could bring about in a page. */
import { chromium, type Locator, type Page } from 'playwright-core';
import { partPath } from '../parts.ts';

const settleMs = 15_000;

export class ConsoleBrowser implements AsyncDisposable {
  readonly page: Page;
  /** Dialogs, faults of scripts, violations of the page's policy, and requests to anywhere else. */
  readonly alarms: string[] = [];
  readonly #close: () => Promise<void>;

  private constructor(page: Page, close: () => Promise<void>, own: string) {
    this.page = page;
    this.#close = close;
    page.on('dialog', (dialog) => {
      this.alarms.push(`dialog ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('pageerror', (fault) => this.alarms.push(`fault ${fault.message}`));
    page.on('console', (line) => {
      // What the gate refuses the browser writes down by itself.
      if (line.type() === 'error' && !/Failed to load resource/.test(line.text())) this.alarms.push(line.text());
    });
    page.on('request', (request) => {
      if (!request.url().startsWith(own)) this.alarms.push(`request ${request.url()}`);
    });
  }

  /** Opens `#hash` of the console of the admin plane at `adminUrl`. */
  static async open(adminUrl: string, hash = '', dark = false): Promise<ConsoleBrowser> {
    const executablePath = partPath('chromium');
    if (executablePath === undefined) throw new Error('there is no chromium');
    const browser = await chromium.launch({
      executablePath,
      args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    });
    const context = await browser.newContext({ colorScheme: dark ? 'dark' : 'light' });
    context.setDefaultTimeout(settleMs);
    const page = await context.newPage();
    const opened = new ConsoleBrowser(page, () => browser.close(), adminUrl);
    await page.goto(`${adminUrl}/console/${hash}`);
    return opened;
  }

  async signIn(token: string): Promise<void> {
    await this.page.getByLabel(/^(?:Admin|Access) token$/).fill(token);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
  }

  get input(): Locator {
    return this.page.getByLabel('The document that the policy sees, as JSON');
  }

  /** One of the two columns. */
  side(name: 'active' | 'candidate'): Locator {
    return this.page.locator(`[data-side=${name}]`);
  }

  async evaluate(): Promise<void> {
    const answered = this.page.waitForResponse((response) => response.url().endsWith('/policy/evaluate'));
    await this.page.getByRole('button', { name: 'Evaluate' }).click();
    await answered;
    await this.page.locator('.results[aria-busy=false]').waitFor();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}
