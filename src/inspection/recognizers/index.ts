/** The recognizers there are. One file a member and one line here; the names are those of tollgate.yaml. */
import type { Recognizer } from '../recognizer.ts';
import { apiKey } from './api_key.ts';
import { card } from './card.ts';
import { email } from './email.ts';
import { iban } from './iban.ts';
import { jwt } from './jwt.ts';
import { privateKey } from './private_key.ts';

export const recognizers: readonly Recognizer[] = [email, card, iban, apiKey, privateKey, jwt];
