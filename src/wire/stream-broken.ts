/** A stream that is not what its surface promises, or ends before its end; its last bytes are held back. */
export class StreamBroken extends Error {
  override readonly name = 'StreamBroken';
}
