/** What an entry of the ledger is. */
export interface PromiseEntry {
  /** What holds, as one sentence that a test can prove wrong. */
  readonly sentence: string;
  /** A section of docs/architecture.md, a requirement of OWASP AISVS 1.0, an RFC, or the complaint that it answers. */
  readonly source: string;
}
