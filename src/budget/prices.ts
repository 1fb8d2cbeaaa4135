/**
 * The price of a model that the routing table gives none: what the file of prices says of it, else what the open list
 * does, else the default of the file. Looked up when a configuration is loaded, and kept with its targets.
 */
import { apiOf } from '../wire/model-apis.ts';
import type { ModelPlace, ModelPrices } from '../wire/price.ts';
import { priceOf } from '../wire/price.ts';
import { nearNames, openPriceList } from './price-list.ts';
import type { PriceFile } from './section.ts';

/**
 * Prices for `places` at `nowMs`. The open list is only loaded for what the file does not name. Rejects if it cannot be.
 */
export async function openPrices(
  places: readonly ModelPlace[],
  file: PriceFile | null,
  nowMs: number,
): Promise<ModelPrices> {
  const version = file === null ? '' : `${file.name} ${file.as_of}`;
  const named = (place: ModelPlace) => {
    const written = memberOf(memberOf(file?.models, place.provider), place.model);
    return written === undefined ? null : priceOf(written, apiOf(place), version);
  };
  const list = places.every((place) => named(place) !== null) ? null : await openPriceList(nowMs);
  const standard = file?.default;
  return {
    find: (place) =>
      named(place) ??
      list?.find(place) ??
      (standard === undefined ? null : priceOf(standard, apiOf(place), `${version} default`)),
    near: (place) => {
      const ofFile = nearNames(place.model, Object.keys(memberOf(file?.models, place.provider) ?? {}));
      return [...new Set([...ofFile, ...(list?.near(place) ?? [])])];
    },
  };
}

/** A member that somebody wrote, and none that every object has. */
function memberOf<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined;
}
