/**
 * The fingerprint of CVE-2017-15361 (ROCA): keys made by a family of security chips have primes of the form
 * k·M + 65537^a mod M, so their modulus lies in the group that 65537 generates modulo every small prime. A good key
 * does so for all of these primes about once in 2^27.
 */

const primes = [
  3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113,
  127, 131, 137, 139, 149, 151, 157, 163, 167,
] as const;

/** Whether a modulus carries the fingerprint, or is divisible by a small prime: either way it can be factored. */
export function isFactorable(modulus: bigint): boolean {
  const remainders = primes.map((prime) => Number(modulus % BigInt(prime)));
  if (modulus % 2n === 0n || remainders.includes(0)) return true;
  return primes.every((prime, index) => isPowerOf65537(remainders[index] as number, prime));
}

function isPowerOf65537(remainder: number, prime: number): boolean {
  const generator = 65537 % prime;
  let power = 1;
  do {
    if (power === remainder) return true;
    power = (power * generator) % prime;
  } while (power !== 1);
  return false;
}
